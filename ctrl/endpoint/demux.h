/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which connection a packet belongs to: by a connection ID of ours, by the destination that a
 * client made up for its first Initial, or by the stateless reset token at its end.
 *
 * Our own CIDs are random, so their bytes are the hash. What strangers choose is hashed with a
 * secret key (dataplane/siphash.h), and the owner compares the bytes. So no table compares token
 * bytes in a time that depends on them (RFC 9000 section 10.3.1).
 */
#ifndef INLAY_ENDPOINT_DEMUX_H
#define INLAY_ENDPOINT_DEMUX_H

#include "inlay_types.h"
#include "map.h"
#include "siphash.h"

struct inlay_ep_conn;

#define INLAY_RESET_TOKEN 16

struct inlay_demux {
	struct inlay_map own;	  /* our CIDs */
	struct inlay_map initial; /* DCIDs of first Initials */
	struct inlay_map tokens;  /* reset tokens of peers */
	struct inlay_siphash_key key;
};

void inlay_demux_init(struct inlay_demux *d, const __u8 key[16]);
void inlay_demux_fini(struct inlay_demux *d);

/* |cid|: INLAY_OWN_CID bytes. 0; -EEXIST; -ENOMEM. */
int inlay_demux_add_own(struct inlay_demux *d, const __u8 *cid, struct inlay_ep_conn *c);
void inlay_demux_del_own(struct inlay_demux *d, const __u8 *cid);
struct inlay_ep_conn *inlay_demux_find_own(const struct inlay_demux *d, const __u8 *cid);

/* 0; -EEXIST; -ENOMEM. */
int inlay_demux_add_initial(struct inlay_demux *d, const struct inlay_cid *cid,
			    struct inlay_ep_conn *c);
void inlay_demux_del_initial(struct inlay_demux *d, const struct inlay_cid *cid);
/* The caller compares the CID. */
struct inlay_ep_conn *inlay_demux_find_initial(const struct inlay_demux *d, const __u8 *cid,
					       size_t len);

/* 0; -EEXIST; -ENOMEM. */
int inlay_demux_add_token(struct inlay_demux *d, const __u8 token[INLAY_RESET_TOKEN],
			  struct inlay_ep_conn *c);
void inlay_demux_del_token(struct inlay_demux *d, const __u8 token[INLAY_RESET_TOKEN]);
/* The caller compares the token, in constant time. */
struct inlay_ep_conn *inlay_demux_find_token(const struct inlay_demux *d,
					     const __u8 token[INLAY_RESET_TOKEN]);

#endif
