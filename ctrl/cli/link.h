/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A MoQ session on a peer: what the peer reports goes to the session, and the session starts as
 * soon as the handshake is complete. Sans-I/O, as both are.
 */
#ifndef INLAY_CLI_LINK_H
#define INLAY_CLI_LINK_H

#include "peer.h"
#include "session.h"

struct inlay_link {
	struct inlay_peer *peer;
	struct inlay_moq_session *session;
	bool failed; /* the session could not start: no memory */
};

/* |peer|'s ops and user, |session|'s transport are filled in. 0; errors of inlay_peer_new(). |link|
 * must stay where it is. */
int inlay_link_init(struct inlay_link *link, const struct inlay_peer_config *peer,
		    const struct inlay_moq_session_config *session, inlay_ns now);
/* The session's last callbacks come from here. Takes a zeroed one. */
void inlay_link_fini(struct inlay_link *link);
/* The session's timer. */
inlay_ns inlay_link_deadline(const struct inlay_link *link);
void inlay_link_on_timer(struct inlay_link *link, inlay_ns now);

#endif
