/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets: streams of objects, in order, with gaps, repeated or ended; datagrams, also of the other
 * thread's upstream, which then has two contexts at its door; and packets seen before.
 */
#include <string.h>

#include "inlay_moq.h"
#include "inlay_quic_write.h"
#include "race.h"

#define NOW (5 * INLAY_S)

static size_t put_subgroup(__u8 *buf, size_t room, __u32 alias_bytes)
{
	const struct inlay_moq_subgroup h = {.alias = RACE_ALIAS, .group = 4};
	struct inlay_writer out = inlay_writer_of(buf, room);

	if (alias_bytes)
		inlay_moq18_subgroup_put_sized(&out, &h, alias_bytes);
	else
		inlay_moq18_subgroup_put(&out, &h);
	return inlay_writer_len(&out);
}

void race_publisher_init(struct race *r)
{
	__u8 buf[64];

	r->header_len = (__u32)put_subgroup(buf, sizeof(buf), 0);
	r->prefix_len = (__u32)put_subgroup(buf, sizeof(buf), INLAY_ALIAS_BYTES);
}

static struct inlay_writer begin(struct race_thread *t, __u64 pn)
{
	static const __u8 cid[INLAY_OWN_CID] = {1, 2, 3, 4, 5, 6, 7, 8};
	struct inlay_writer out = inlay_writer_of(t->packet, sizeof(t->packet));

	inlay_writer_u8(&out, 0x43);
	inlay_writer_bytes(&out, cid, sizeof(cid));
	inlay_writer_be32(&out, (__u32)pn);
	return out;
}

static void run(struct race_thread *t, const struct inlay_writer *frames, __u32 upstream, __u64 pn)
{
	struct inlay_writer out = *frames;

	inlay_quic_put_desc(&out, RACE_SA + upstream, 1, 0, 1 + INLAY_OWN_CID + INLAY_TX_PN, pn);
	inlay_forwarder_run(&t->f, t->packet, inlay_writer_len(&out), NOW);
}

static void put_stream(struct race_thread *t, struct inlay_writer *out, __u64 number, __u64 offset,
		       size_t len, bool fin)
{
	const struct race *r = t->race;
	__u32 tag = race_tag(t->context, number);
	__u8 data[256];

	inlay_quic_put_stream_header(out, number << 2 | 2, offset, len, fin, true);
	put_subgroup(data, sizeof(data), 0);
	for (size_t i = 0; i < len; i++)
		if (offset + i >= r->header_len)
			data[i] = race_byte(r, tag, offset + i);
	inlay_writer_bytes(out, data, len);
}

static void send_stream(struct race_thread *t)
{
	__u64 *rng = &t->rng, pn = inlay_fetch_add_u64(&t->race->next_pn[t->context], 1);
	struct inlay_writer out = begin(t, pn);
	size_t i = race_random(rng) % INLAY_ARRAY_SIZE(t->maker.streams), len;
	__u64 offset;
	bool fin = race_chance(rng, 8);

	if (!t->maker.streams[i].is_open) {
		t->maker.streams[i].number = t->maker.next_stream++;
		t->maker.streams[i].offset = 0;
		t->maker.streams[i].is_open = true;
	}
	offset = t->maker.streams[i].offset;
	len = offset ? RACE_OBJECT / 2 * (1 + race_random(rng) % 3)
		     : t->race->header_len + RACE_OBJECT;
	if (fin) /* at an object's end */
		len += (RACE_OBJECT - (offset + len - t->race->header_len) % RACE_OBJECT) %
		       RACE_OBJECT;
	if (offset && race_chance(rng, 4))
		offset +=
			RACE_OBJECT / 2; /* lost for now: a payload's half, or one with a header */
	put_stream(t, &out, t->maker.streams[i].number, offset, len, fin);
	run(t, &out, t->context, pn);
	if (race_chance(rng, 5)) /* as it may come twice */
		run(t, &out, t->context, pn);
	t->maker.streams[i].offset = offset + len;
	t->maker.streams[i].is_open = !fin;
}

static void send_datagram(struct race_thread *t, __u32 upstream)
{
	__u64 pn = inlay_fetch_add_u64(&t->race->next_pn[upstream], 1);
	struct inlay_moq_datagram o = {.alias = RACE_ALIAS, .group = 4};
	struct inlay_writer out = begin(t, pn), in;
	__u8 payload[16], data[64];

	memset(payload, (int)(upstream + 1), sizeof(payload));
	memcpy(payload, &pn, sizeof(pn));
	o.payload = (struct inlay_moq_bytes){payload, sizeof(payload)};
	in = inlay_writer_of(data, sizeof(data));
	inlay_moq18_datagram_put(&in, &o);
	inlay_writer_bytes(&in, payload, sizeof(payload));
	inlay_quic_varint_put(&out, INLAY_QUIC_DATAGRAM | 1);
	inlay_quic_varint_put(&out, inlay_writer_len(&in));
	inlay_writer_bytes(&out, data, inlay_writer_len(&in));
	run(t, &out, upstream, pn);
	if (race_chance(&t->rng, 10))
		run(t, &out, upstream, pn);
}

void race_publisher_step(struct race_thread *t)
{
	__u32 other = (t->context + 1) % RACE_UPSTREAMS;

	if (race_chance(&t->rng, 75))
		send_stream(t);
	else
		send_datagram(t, race_chance(&t->rng, 50) ? other : t->context);
	inlay_fetch_add_u64(&t->race->packets, 1);
}
