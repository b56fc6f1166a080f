/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Puts the objects of a track in order. Groups come on streams of their own, so that a later one
 * can overtake; datagrams can be lost. Objects are handed on by (group, object); what does not come
 * within |patience| is counted as missing and passed over.
 *
 * Invariants: locations handed on only ever rise; no more than |max_bytes| are held: rather is what
 * is missing given up.
 */
#ifndef INLAY_CLI_JITTER_H
#define INLAY_CLI_JITTER_H

#include "inlay_types.h"

struct inlay_jitter;

struct inlay_jitter_config {
	inlay_ns patience;
	inlay_ns datagram_patience; /* groups that came in datagrams alone */
	size_t max_bytes;
	void (*on_object)(void *user, __u64 group, __u64 object, const __u8 *data, size_t len);
	void *user;
};

struct inlay_jitter_stats {
	__u64 objects, groups, bytes; /* handed on */
	__u64 missing_objects; /* numbers passed over within groups; cut-off tails count as resets
				*/
	__u64 missing_groups;
	__u64 resets;	  /* streams that ended before their FIN */
	__u64 late;	  /* came after they were given up, or twice, or before the start */
	size_t held;	  /* bytes */
	__u64 next_group; /* above the last one of which anything was handed on; 0: none was */
};

/* NULL: no memory. */
struct inlay_jitter *inlay_jitter_new(const struct inlay_jitter_config *config);
void inlay_jitter_free(struct inlay_jitter *j);

/* The track starts with this group: earlier ones are late. Without it, with the first group whose
 * object 0 comes, or with the first datagram. Also begins anew, after inlay_jitter_flush(). */
void inlay_jitter_start(struct inlay_jitter *j, __u64 group);
void inlay_jitter_start_anywhere(struct inlay_jitter *j);

/* A stream of |group| begins; each begin has its end. |end_of_group|: its FIN ends the group. */
void inlay_jitter_stream_begin(struct inlay_jitter *j, __u64 group, inlay_ns now);
void inlay_jitter_stream_end(struct inlay_jitter *j, __u64 group, bool fin, bool end_of_group,
			     inlay_ns now);
/* Part of an object has come: patience begins anew. */
void inlay_jitter_progress(struct inlay_jitter *j, __u64 group, inlay_ns now);
/* 0; -ENOMEM: counted as missing. |data| is copied. */
int inlay_jitter_object(struct inlay_jitter *j, __u64 group, __u64 object, const __u8 *data,
			size_t len, bool datagram, inlay_ns now);

/*
 * Changing over to another source of the same groups. inlay_jitter_position(): the group that is
 * next to be handed on, |*ret_begun|: part of it was; false: not started. inlay_jitter_hold(): no
 * group at or above |group| is begun before it has waited |time|, counted from |now| or from its
 * first bytes; INLAY_NEVER for |group|: no more of it. inlay_jitter_cut(): forgets what is held of
 * |group| and above, streams included; false, and nothing is forgotten: part of it was handed on.
 */
bool inlay_jitter_position(const struct inlay_jitter *j, __u64 *ret_group, bool *ret_begun);
void inlay_jitter_hold(struct inlay_jitter *j, __u64 group, inlay_ns time, inlay_ns now);
bool inlay_jitter_cut(struct inlay_jitter *j, __u64 group);

inlay_ns inlay_jitter_deadline(const struct inlay_jitter *j);
void inlay_jitter_on_timer(struct inlay_jitter *j, inlay_ns now);
/* The track has ended: hands on all that is held. */
void inlay_jitter_flush(struct inlay_jitter *j);
void inlay_jitter_stats(const struct inlay_jitter *j, struct inlay_jitter_stats *ret);

#endif
