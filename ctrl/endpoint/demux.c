/* SPDX-License-Identifier: BSD-2-Clause */
#include "demux.h"

#include <string.h>

_Static_assert(INLAY_OWN_CID == sizeof(__u64), "a CID of ours is a map's key");

static __u64 word_of(const __u8 *cid)
{
	__u64 word;

	memcpy(&word, cid, sizeof(word));
	return word;
}

/* Two names with one hash of 64 secret-keyed bits: the later one is refused. */
static int add(struct inlay_map *m, __u64 key, struct inlay_ep_conn *c)
{
	return inlay_map_get(m, key) ? -EEXIST : inlay_map_set(m, key, c);
}

void inlay_demux_init(struct inlay_demux *d, const __u8 key[16])
{
	memset(d, 0, sizeof(*d));
	memcpy(&d->key, key, sizeof(d->key));
}

void inlay_demux_fini(struct inlay_demux *d)
{
	inlay_map_fini(&d->own);
	inlay_map_fini(&d->initial);
	inlay_map_fini(&d->tokens);
}

int inlay_demux_add_own(struct inlay_demux *d, const __u8 *cid, struct inlay_ep_conn *c)
{
	return add(&d->own, word_of(cid), c);
}

void inlay_demux_del_own(struct inlay_demux *d, const __u8 *cid)
{
	inlay_map_remove(&d->own, word_of(cid));
}

struct inlay_ep_conn *inlay_demux_find_own(const struct inlay_demux *d, const __u8 *cid)
{
	return inlay_map_get(&d->own, word_of(cid));
}

int inlay_demux_add_initial(struct inlay_demux *d, const struct inlay_cid *cid,
			    struct inlay_ep_conn *c)
{
	return add(&d->initial, inlay_siphash(&d->key, cid->data, cid->len), c);
}

void inlay_demux_del_initial(struct inlay_demux *d, const struct inlay_cid *cid)
{
	inlay_map_remove(&d->initial, inlay_siphash(&d->key, cid->data, cid->len));
}

struct inlay_ep_conn *inlay_demux_find_initial(const struct inlay_demux *d, const __u8 *cid,
					       size_t len)
{
	return inlay_map_get(&d->initial, inlay_siphash(&d->key, cid, len));
}

int inlay_demux_add_token(struct inlay_demux *d, const __u8 token[INLAY_RESET_TOKEN],
			  struct inlay_ep_conn *c)
{
	return add(&d->tokens, inlay_siphash(&d->key, token, INLAY_RESET_TOKEN), c);
}

void inlay_demux_del_token(struct inlay_demux *d, const __u8 token[INLAY_RESET_TOKEN])
{
	inlay_map_remove(&d->tokens, inlay_siphash(&d->key, token, INLAY_RESET_TOKEN));
}

struct inlay_ep_conn *inlay_demux_find_token(const struct inlay_demux *d,
					     const __u8 token[INLAY_RESET_TOKEN])
{
	return inlay_map_get(&d->tokens, inlay_siphash(&d->key, token, INLAY_RESET_TOKEN));
}
