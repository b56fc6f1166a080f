/* SPDX-License-Identifier: BSD-2-Clause */
/* Internal to ctrl/daemon/: what the daemon is made of. */
#ifndef INLAY_DAEMON_DAEMON_IMPL_H
#define INLAY_DAEMON_DAEMON_IMPL_H

#include "control_socket.h"
#include "daemon.h"
#include "datathread.h"
#include "keystore.h"
#include "origin.h"
#include "qlogs.h"
#include "sessions.h"
#include "state.h"

struct inlay_daemon {
	struct inlay_config config;
	inlay_ns now; /* of the turn being worked on */
	inlay_ns started;
	struct inlay_loop *loop;
	struct inlay_control *control;

	struct inlay_tls *tls;
	struct inlay_keystore *keystore;
	struct inlay_provider *provider;
	struct inlay_ring *up, *down;
	struct inlay_port_udp ports[INLAY_DATATHREAD_PORTS];
	size_t n_ports; /* listeners first, in order; then the origin's, if any */
	struct inlay_datathread *datathread;

	struct inlay_state *state; /* what is shared with the forwarder; NULL: there is none */
	struct inlay_endpoint *endpoint;
	struct inlay_relay *relay;
	struct inlay_sessions sessions;
	struct inlay_origin origin;
	const struct inlay_policy *policy;
	struct inlay_qlogs qlogs;

	struct inlay_watch up_watch, room_watch;
	__u64 full_down; /* times the down ring was full */

	char dev_dir[64], dev_certificate[96];
};

/* Of the control socket (status.c); |user| is the daemon. */
extern const struct inlay_control_command inlay_daemon_commands[];

#endif
