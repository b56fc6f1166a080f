/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One engine on several paths, and a hand that writes the peer's packets, from any address it
 * likes. What is sent where is counted here, independently of the engine.
 */
#ifndef INLAY_TESTS_QUIC_PATH_SCENE_H
#define INLAY_TESTS_QUIC_PATH_SCENE_H

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "quic_solo.h"

#define HOME	  4433 /* the peer's port, in the beginning */
#define ADDRESSES 128

/* One address of the peer's, or somebody's, by port; for a client, one of our own. */
struct place {
	__u64 received, sent; /* bytes */
	unsigned int challenges, answers, pings, packets;
	size_t largest_challenge, largest_answer;
	__u8 challenge[8]; /* the newest */
	__u8 answer[8];
	__u8 dcid; /* last byte of the CID that was sent with */
};

struct scene {
	struct solo s;
	struct place at[ADDRESSES]; /* by port - HOME */
};

static const __u8 ping[] = {1};

static inline void set_up(struct scene *x, enum inlay_role role)
{
	memset(x, 0, sizeof(*x));
	solo_init(&x->s, role);
	x->s.path.local.port = htons(1000);
	x->s.path.remote.port = htons(HOME);
	x->s.handover.path = x->s.path;
	x->s.handover.own.active_connection_id_limit = 8;
	x->s.handover.peer.active_connection_id_limit = 8;
	x->s.handover.peer.initial_max_data = 1 << 20;
	x->s.handover.peer.initial_max_stream_data_bidi_remote = 1 << 20;
	x->s.handover.peer.initial_max_stream_data_bidi_local = 1 << 20;
}

/* CIDs of five bytes, the last one of which is the sequence number. */
static inline void give_cids(struct scene *x, __u64 from, __u64 to, __u64 prior)
{
	__u8 frame[64], data[5] = {9, 9, 9, 9}, token[16] = {0};
	struct inlay_cid cid;

	for (; from <= to; from++) {
		struct inlay_writer w = inlay_writer_of(frame, sizeof(frame));

		data[4] = token[0] = (__u8)from;
		inlay_cid_set(&cid, data, sizeof(data));
		assert_true(inlay_quic_put_new_connection_id(&w, from, prior, &cid, token));
		solo_recv(&x->s, frame, inlay_writer_len(&w));
	}
}

static inline void note(struct scene *x, struct place *p, const struct inlay_quic_clear *clear,
			size_t len)
{
	struct inlay_cursor frames = clear->frames;
	struct inlay_quic_frame f;

	p->packets++;
	p->sent += len;
	p->dcid = clear->dcid[4];
	while (inlay_cursor_left(&frames) > 0) {
		assert_int_equal(inlay_quic_frame_parse(&frames, &f), 0);
		p->pings += f.type == INLAY_QUIC_PING;
		if (f.type == INLAY_QUIC_PATH_CHALLENGE) {
			p->challenges++;
			memcpy(p->challenge, f.path_data, 8);
			if (len > p->largest_challenge)
				p->largest_challenge = len;
		} else if (f.type == INLAY_QUIC_PATH_RESPONSE) {
			p->answers++;
			memcpy(p->answer, f.path_data, 8);
			if (len > p->largest_answer)
				p->largest_answer = len;
		}
	}
}

/* Everything that is to be sent now, as far as |most| packets. */
static inline void flush(struct scene *x, unsigned int most)
{
	struct inlay_quic_clear clear = {0};
	__u8 packet[INLAY_FRAME_MAX];
	struct inlay_path path;
	size_t len;

	for (; most > 0; most--) {
		const struct inlay_addr *key =
			x->s.handover.role == INLAY_SERVER ? &path.remote : &path.local;
		unsigned int i;

		len = inlay_conn_send(x->s.conn, packet, sizeof(packet), &path, x->s.now);
		if (len == 0)
			return;
		i = (unsigned int)ntohs(key->port) -
		    (x->s.handover.role == INLAY_SERVER ? HOME : 1000);
		assert_true(i < ADDRESSES);
		assert_true(inlay_quic_clear_parse(packet, len, 5, &clear));
		note(x, &x->at[i], &clear, len);
	}
}

/* A new packet of the peer's from |place|, to |cid| of ours, of |len| bytes in all, or as short as
 * can be. */
static inline void recv_to(struct scene *x, unsigned int place, const struct inlay_cid *cid,
			   const __u8 *frames, size_t n, size_t len)
{
	size_t least = 1 + INLAY_OWN_CID + 4 + n + INLAY_TAG;
	__u8 all[INLAY_FRAME_MAX] = {0};

	if (len < least)
		len = least;
	memcpy(all, frames, n);
	if (x->s.handover.role == INLAY_SERVER)
		x->s.path.remote.port = htons((__u16)(HOME + place));
	x->at[place].received += len;
	solo_recv_as(&x->s, cid, x->s.next_pn++, 0, all, n + len - least);
}

static inline void recv_from(struct scene *x, unsigned int place, const __u8 *frames, size_t n,
			     size_t len)
{
	recv_to(x, place, &x->s.handover.own_cid, frames, n, len);
}

static inline void answer(struct scene *x, unsigned int from, unsigned int challenge_of, size_t len)
{
	__u8 frame[9] = {0x1b};

	memcpy(frame + 1, x->at[challenge_of].challenge, 8);
	recv_from(x, from, frame, sizeof(frame), len);
}

static inline void ask(struct scene *x, unsigned int place, const struct inlay_cid *cid, __u8 data,
		       size_t len)
{
	__u8 frame[9] = {0x1a, data, data, data, data, data, data, data, data};

	recv_to(x, place, cid, frame, sizeof(frame), len);
}

static inline void pass(struct scene *x, inlay_ns time)
{
	inlay_ns until = x->s.now + time, at;

	for (;;) {
		flush(x, 10000);
		at = inlay_conn_deadline(x->s.conn);
		if (at > until)
			break;
		assert_true(at > x->s.now);
		x->s.now = at;
		inlay_conn_on_timer(x->s.conn, x->s.now);
	}
	x->s.now = until;
}

/* All that was sent is acknowledged, from |place|; bare. */
static inline void acknowledge(struct scene *x, unsigned int place)
{
	if (x->s.handover.role == INLAY_SERVER)
		x->s.path.remote.port = htons((__u16)(HOME + place));
	solo_ack(&x->s, 0);
}

static inline void begin(struct scene *x, enum inlay_role role, __u64 cids)
{
	set_up(x, role);
	assert_true(solo_start(&x->s));
	if (cids)
		give_cids(x, 1, cids, 0);
	flush(x, 10000);
	x->s.now += 100 * INLAY_MS;
	acknowledge(x, 0);
	flush(x, 10000);
	memset(x->at, 0, sizeof(x->at));
}

static inline void write_much(struct scene *x)
{
	static __u8 data[60000];
	__u64 id;

	assert_int_equal(inlay_conn_stream_open(x->s.conn, true, 0, NULL, NULL, &id), 0);
	assert_int_equal(inlay_conn_stream_write(x->s.conn, id, data, sizeof(data), false), 0);
}

static inline struct inlay_cid own_cid(const struct scene *x, unsigned int i)
{
	struct inlay_cid cids[8];

	assert_true(inlay_conn_own_cids(x->s.conn, cids, 8) > i);
	return cids[i];
}

static inline struct inlay_conn_stats stats_of(const struct scene *x)
{
	struct inlay_conn_stats stats;

	inlay_conn_stats(x->s.conn, &stats);
	return stats;
}

static inline unsigned int current(const struct scene *x)
{
	return (unsigned int)ntohs(inlay_paths_current(&x->s.conn->paths)->path.remote.port) - HOME;
}

#endif
