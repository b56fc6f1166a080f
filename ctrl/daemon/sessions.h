/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The daemon's connections as sessions of its relay: made when the endpoint establishes a
 * connection, freed in the loop once it has ended.
 */
#ifndef INLAY_DAEMON_SESSIONS_H
#define INLAY_DAEMON_SESSIONS_H

#include "endpoint.h"
#include "list.h"
#include "relay.h"

struct inlay_sessions {
	struct inlay_relay *relay;
	const inlay_ns *now;	  /* of the input being worked on */
	struct inlay_list active; /* struct session, sessions.c */
	struct inlay_list ended;
	size_t n_active;
	/* A connection that was dialled has ended. May be NULL. */
	void (*on_dialled_end)(void *user, const struct inlay_close_reason *why);
	void *user;
	inlay_ns next_sweep; /* when the sessions' deadlines are looked at again */
};

void inlay_sessions_init(struct inlay_sessions *s, struct inlay_relay *relay, const inlay_ns *now);
/* Once the endpoint is freed. */
void inlay_sessions_fini(struct inlay_sessions *s);

/* For inlay_endpoint_ops.on_connection. */
const struct inlay_conn_ops *inlay_sessions_accept(struct inlay_sessions *s,
						   struct inlay_ep_conn *c,
						   const struct inlay_handover *handover,
						   void **ret_user);
/* Outside of all callbacks: tells sessions of their end, and frees them. */
void inlay_sessions_reap(struct inlay_sessions *s);
/* |user|: a connection's, as inlay_sessions_accept() gave it. */
void inlay_sessions_stats(const void *user, struct inlay_relay_session_stats *ret);
/* |session|: what the relay has as the user of a session of ours. Its connection; NULL: ended. */
const struct inlay_ep_conn *inlay_sessions_connection(const void *session);
/* Something came in: deadlines may have changed. */
void inlay_sessions_touch(struct inlay_sessions *s);
inlay_ns inlay_sessions_deadline(const struct inlay_sessions *s);
void inlay_sessions_on_timer(struct inlay_sessions *s);

#endif
