/* SPDX-License-Identifier: BSD-2-Clause */
#include "turn_net.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

const char *const turn_net_far[TURN_SIDES] = {RELAY_NET_PUBLISHER, RELAY_NET_SUBSCRIBERS};
const char *const turn_net_near[TURN_SIDES] = {RELAY_NET_IN, RELAY_NET_OUT};

static int read_mac(const char *interface, __u8 ret[6])
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = 0;
	struct ifreq r = {0};

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", interface);
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &r))
		err = -errno;
	if (fd >= 0)
		close(fd);
	memcpy(ret, r.ifr_hwaddr.sa_data, 6);
	return err;
}

static int set_neighbour(const char *interface, const struct inlay_addr *addr, const __u8 m[6])
{
	return relay_net_run("ip neighbour replace %d.%d.%d.%d dev %s nud permanent lladdr "
			     "%02x:%02x:%02x:%02x:%02x:%02x",
			     addr->ip[0], addr->ip[1], addr->ip[2], addr->ip[3], interface, m[0],
			     m[1], m[2], m[3], m[4], m[5]);
}

/*
 * The far end makes checksums itself: frames with partial ones are no NIC's. The near end has NAPI
 * even without XDP, as a NIC does: it needs it to take injected frames.
 */
static int prepare(struct turn_net *n, enum turn_side side)
{
	const char *near = turn_net_near[side], *far = turn_net_far[side];
	const struct inlay_addr *gateway = &n->net.relay[side];
	int ret = relay_net_run("ethtool -K %s gro on", near);

	if (!ret)
		ret = read_mac(near, n->near_mac[side]);
	if (!ret)
		ret = turn_net_enter(n, side);
	if (ret)
		return ret;
	ret = relay_net_run("ethtool -K %s tx off >/dev/null", far);
	if (!ret)
		ret = relay_net_run("ip route add default via %d.%d.%d.%d", gateway->ip[0],
				    gateway->ip[1], gateway->ip[2], gateway->ip[3]);
	if (!ret)
		ret = read_mac(far, n->far_mac[side]);
	if (!ret)
		ret = set_neighbour(far, gateway, n->near_mac[side]);
	if (turn_net_leave(n) || ret)
		return ret ? ret : -EIO;
	return set_neighbour(near, &n->net.peer[side], n->far_mac[side]);
}

int turn_net_open(struct turn_net *n)
{
	int ret;

	*n = (struct turn_net){.own = -1};
	ret = relay_net_open(&n->net);
	if (ret)
		return ret;
	n->own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	for (int i = 0; i < TURN_SIDES && !ret; i++)
		ret = prepare(n, (enum turn_side)i);
	return ret;
}

void turn_net_close(struct turn_net *n)
{
	if (n->own >= 0)
		close(n->own);
	n->own = -1;
	relay_net_close(&n->net);
}

int turn_net_enter(const struct turn_net *n, enum turn_side side)
{
	return relay_net_enter(&n->net, (enum relay_side)side);
}

int turn_net_leave(const struct turn_net *n)
{
	return setns(n->own, CLONE_NEWNET) ? -errno : 0;
}

int turn_net_forward(const struct turn_net *n, bool on)
{
	return relay_net_run("echo %d >/proc/sys/net/ipv4/ip_forward", on);
}
