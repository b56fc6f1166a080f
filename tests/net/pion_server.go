// SPDX-License-Identifier: BSD-2-Clause

// A TURN server of a few lines around pion's library: what inlay-turn has to do with besides coturn.
// usage: pion_server LISTEN_ADDRESS RELAY_IP REALM USER PASSWORD [CHANNEL_LIFETIME]
package main

import (
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/pion/turn/v2"
)

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	if len(os.Args) < 6 {
		fmt.Fprintln(os.Stderr, "usage: pion_server LISTEN RELAY_IP REALM USER PASSWORD [LIFETIME]")
		os.Exit(2)
	}
	listen, relay, realm, user, password := os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5]
	lifetime := 10 * time.Minute
	if len(os.Args) > 6 {
		var err error
		lifetime, err = time.ParseDuration(os.Args[6])
		fail(err)
	}
	socket, err := net.ListenPacket("udp", listen)
	fail(err)
	key := turn.GenerateAuthKey(user, realm, password)
	server, err := turn.NewServer(turn.ServerConfig{
		Realm: realm,
		AuthHandler: func(name, realm string, from net.Addr) ([]byte, bool) {
			return key, name == user
		},
		ChannelBindTimeout: lifetime,
		PacketConnConfigs: []turn.PacketConnConfig{{
			PacketConn: socket,
			RelayAddressGenerator: &turn.RelayAddressGeneratorStatic{
				RelayAddress: net.ParseIP(relay),
				Address:      relay,
			},
		}},
	})
	fail(err)
	fmt.Println("listening")
	done := make(chan os.Signal, 1)
	signal.Notify(done, syscall.SIGTERM, syscall.SIGINT)
	<-done
	fail(server.Close())
}
