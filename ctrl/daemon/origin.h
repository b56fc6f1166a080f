/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The upstream relay that the daemon dials, if one is configured: dialled at the start, and again,
 * ever more patiently, whenever the connection is lost.
 */
#ifndef INLAY_DAEMON_ORIGIN_H
#define INLAY_DAEMON_ORIGIN_H

#include "config.h"
#include "endpoint.h"
#include "uri.h"

struct inlay_origin {
	struct inlay_tls *tls;
	struct inlay_path path; /* the local address is the one that reaches the remote one */
	struct inlay_uri uri;
	__u16 port_index;
	__u32 max_udp_payload; /* told to it: its copies are larger than what publishers send */
	inlay_ns retry_min, retry_max, retry; /* |retry|: the next pause */
	inlay_ns dial_at;		      /* INLAY_NEVER: dialled, or nothing to dial */
	bool told;			      /* that it is unreachable */
};

/* Looks the host up, and which local address reaches it. 0; -EINVAL: no such URI; -ENOENT: no such
 * host; -ENETUNREACH and what else connect() says; of inlay_tls_new(). |err|: a line. */
int inlay_origin_init(struct inlay_origin *o, const struct inlay_config *config,
		      char err[INLAY_CONFIG_ERROR]);
void inlay_origin_fini(struct inlay_origin *o);
static inline bool inlay_origin_is_set(const struct inlay_origin *o)
{
	return o->tls != NULL;
}

/* Dials if it is time to. */
void inlay_origin_on_timer(struct inlay_origin *o, struct inlay_endpoint *ep, inlay_ns now);
void inlay_origin_on_connected(struct inlay_origin *o);
/* It failed, or ended, for the reason |why|. */
void inlay_origin_on_lost(struct inlay_origin *o, const char *why, inlay_ns now);

#endif
