/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Every header of bpf/include compiles for BPF, with what the forwarder will call of it in
 * functions of their own. Compiled by tests/bpf/compile; never loaded.
 */
#include "inlay_abi.h"
#include "inlay_atomic.h"
#include "inlay_cursor.h"
#include "inlay_moq.h"
#include "inlay_moq_framer.h"
#include "inlay_quic.h"
#include "inlay_quic_frame.h"
#include "inlay_quic_write.h"
#include "inlay_reasons.h"
#include "inlay_types.h"
#include "inlay_writer.h"

#define ENTRY __attribute__((noinline)) int

ENTRY parse_long(struct inlay_cursor *c, struct inlay_quic_long *h, struct inlay_quic_long_v1 *v);
ENTRY parse_long(struct inlay_cursor *c, struct inlay_quic_long *h, struct inlay_quic_long_v1 *v)
{
	return inlay_quic_long_parse(c, h) && inlay_quic_long_v1_parse(c, h, v);
}

ENTRY parse_clear(const __u8 *packet, __u32 len, struct inlay_quic_clear *ret);
ENTRY parse_clear(const __u8 *packet, __u32 len, struct inlay_quic_clear *ret)
{
	return inlay_quic_clear_parse(packet, len, INLAY_OWN_CID, ret);
}

ENTRY parse_frame(struct inlay_cursor *c, struct inlay_quic_frame *f);
ENTRY parse_frame(struct inlay_cursor *c, struct inlay_quic_frame *f)
{
	return inlay_quic_frame_parse(c, f);
}

ENTRY next_range(struct inlay_quic_ack_iter *it, struct inlay_quic_range *ret);
ENTRY next_range(struct inlay_quic_ack_iter *it, struct inlay_quic_range *ret)
{
	return inlay_quic_ack_next(it, ret);
}

ENTRY put_stream(struct inlay_writer *w, const struct inlay_quic_stream *s);
ENTRY put_stream(struct inlay_writer *w, const struct inlay_quic_stream *s)
{
	return inlay_quic_put_stream_header(w, s->id, s->offset, s->len, s->fin, s->has_len);
}

ENTRY put_desc(struct inlay_writer *w, const struct inlay_quic_clear *p);
ENTRY put_desc(struct inlay_writer *w, const struct inlay_quic_clear *p)
{
	return inlay_quic_put_desc(w, p->sa, p->generation, 0, p->hdr_len, p->pn);
}

ENTRY next_event(struct inlay_moq_framer *f, struct inlay_cursor *c, struct inlay_moq_event *ret);
ENTRY next_event(struct inlay_moq_framer *f, struct inlay_cursor *c, struct inlay_moq_event *ret)
{
	return inlay_moq18_framer_next(f, c, ret);
}

ENTRY put_subgroup(struct inlay_writer *w, const struct inlay_moq_subgroup *h);
ENTRY put_subgroup(struct inlay_writer *w, const struct inlay_moq_subgroup *h)
{
	return inlay_moq18_subgroup_put(w, h);
}

ENTRY parse_object(struct inlay_cursor *c, const struct inlay_moq_subgroup *h,
		   struct inlay_moq_object *o);
ENTRY parse_object(struct inlay_cursor *c, const struct inlay_moq_subgroup *h,
		   struct inlay_moq_object *o)
{
	return inlay_moq18_object_parse(c, h, false, o->id, o);
}

ENTRY parse_datagram(struct inlay_cursor *c, struct inlay_moq_datagram *o);
ENTRY parse_datagram(struct inlay_cursor *c, struct inlay_moq_datagram *o)
{
	return inlay_moq18_datagram_parse(c, o);
}

ENTRY take_number(struct inlay_subscriber *s, struct inlay_sent *log);
ENTRY take_number(struct inlay_subscriber *s, struct inlay_sent *log)
{
	__u64 pn = inlay_fetch_add_u64(&s->next_pn, 1);
	struct inlay_sent *entry = &log[pn & s->log_mask];
	__u64 old = inlay_load_u64(&entry->pn_state);

	return inlay_cas_u64(&entry->pn_state, old, INLAY_SENT_WORD(pn, INLAY_SENT_SENT));
}
