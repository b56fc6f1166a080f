/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Our established phase as the transport of a MoQ session: the session's calls go down to the
 * connection, the connection's events up to the session.
 *
 * A connection may end within a call that the session makes; the session must not hear of it from
 * there. So the end is noted, and told by inlay_transport_conn_tell_end() from the loop.
 */
#ifndef INLAY_DAEMON_TRANSPORT_CONN_H
#define INLAY_DAEMON_TRANSPORT_CONN_H

#include "endpoint.h"
#include "session.h"

struct inlay_transport_conn {
	struct inlay_ep_conn *conn;	   /* NULL: it has ended */
	struct inlay_moq_session *session; /* set before the connection's first event; or NULL */
	const inlay_ns *now;		   /* the time of the input being worked on */
	struct inlay_close_reason why;	   /* once it has ended */
	bool starved[2];		   /* by bidi: own streams wait for others to end */
	/* The connection has ended: to be told outside of all callbacks. */
	void (*on_ended)(struct inlay_transport_conn *t);
};

void inlay_transport_conn_init(struct inlay_transport_conn *t, struct inlay_ep_conn *conn,
			       const inlay_ns *now,
			       void (*on_ended)(struct inlay_transport_conn *t));
/* For inlay_moq_session_config. |t| stays where it is. */
struct inlay_moq_transport inlay_transport_conn_transport(struct inlay_transport_conn *t,
							  bool is_server);
/* The application's half of inlay_conn_ops; their user is |t|. */
extern const struct inlay_conn_ops inlay_transport_conn_ops;
void inlay_transport_conn_tell_end(struct inlay_transport_conn *t);

#endif
