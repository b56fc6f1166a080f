/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connection IDs of ours, by local port: one probe or two, whatever the number of entries. Every
 * CID in it is random (design section 4), so its own bytes are the hash; what arrives from the
 * network is only looked up, and cannot lengthen a chain.
 */
#ifndef INLAY_DATAPLANE_CID_TABLE_H
#define INLAY_DATAPLANE_CID_TABLE_H

#include "inlay_types.h"

struct inlay_cid_slot {
	__u8 cid[INLAY_OWN_CID];
	__be16 port;
	__u16 used;
	__u32 value;
};

/* Open addressing, at most half full. */
struct inlay_cid_table {
	struct inlay_cid_slot *slots;
	__u32 mask;
	__u32 count;
	__u32 max;
};

/* |max| entries at most. 0; -ENOMEM; -EINVAL: |max| is 0 or above 2^30. */
int inlay_cid_table_init(struct inlay_cid_table *t, __u32 max);
void inlay_cid_table_fini(struct inlay_cid_table *t);

/* |cid|: INLAY_OWN_CID bytes. False: not there. */
bool inlay_cid_table_find(const struct inlay_cid_table *t, __be16 port, const __u8 *cid,
			  __u32 *ret_value);
/* 0; -EEXIST; -ENOSPC. */
int inlay_cid_table_add(struct inlay_cid_table *t, __be16 port, const __u8 *cid, __u32 value);
/* 0; -ENOENT. */
int inlay_cid_table_del(struct inlay_cid_table *t, __be16 port, const __u8 *cid);

#endif
