/* SPDX-License-Identifier: BSD-2-Clause */
#include "stream_send.h"

#include <errno.h>
#include <string.h>

/* Holes come from packets in flight, which the log bounds; this bound is never the first. */
#define RANGES_MAX (1U << 20)

void inlay_stream_send_init(struct inlay_stream_send *s, const struct inlay_stream_source *source,
			    void *ctx, __u64 limit)
{
	memset(s, 0, sizeof(*s));
	s->source = *source;
	s->ctx = ctx;
	s->limit = limit;
	inlay_intervals_init(&s->acked, RANGES_MAX);
	inlay_intervals_init(&s->lost, RANGES_MAX);
}

static void release(struct inlay_stream_send *s)
{
	if (s->released)
		return;
	s->released = true;
	s->buffer = NULL;
	if (s->source.release)
		s->source.release(s->ctx);
}

void inlay_stream_send_fini(struct inlay_stream_send *s)
{
	release(s);
	inlay_intervals_fini(&s->acked);
	inlay_intervals_fini(&s->lost);
}

int inlay_stream_send_extend(struct inlay_stream_send *s, __u64 end, bool fin)
{
	if (s->reset || s->doomed)
		return -EPIPE;
	if (end < s->end || (s->fin && (end != s->end || !fin)) || end > INLAY_PN_MAX)
		return -EINVAL;
	/* A forwarder may have been there before. */
	if ((s->fin_sent && end > s->next) || (fin && end < s->next))
		return -EINVAL;
	s->end = end;
	s->fin = fin;
	return 0;
}

/* Only what is to be delivered is sent again. */
static void forget_above(struct inlay_stream_send *s, __u64 reliable)
{
	/* What goes is the upper end: nothing is split, so it cannot fail. */
	inlay_intervals_remove(&s->lost, reliable, INLAY_PN_MAX + 1);
	s->fin_lost = false;
	if (reliable > 0)
		return;
	inlay_intervals_fini(&s->lost);
	inlay_intervals_fini(&s->acked);
	release(s);
}

bool inlay_stream_send_reset(struct inlay_stream_send *s, __u64 code, __u64 reliable)
{
	if (inlay_stream_send_is_done(s))
		return false;
	if ((s->reset || s->doomed) && reliable >= s->reliable)
		return false;
	if (s->lent) {
		if (!s->doomed)
			s->reset_code = code;
		s->doomed = true;
		s->reliable = reliable;
		return true;
	}
	if (!s->reset)
		s->reset_code = code;
	/* Bytes never sent are part of the stream only if they are to be delivered. */
	if (!s->reset_sent)
		s->end = s->next > reliable ? s->next : reliable;
	s->fin = s->fin && s->fin_sent;
	s->reset = true;
	s->reset_acked = false;
	s->reliable = reliable;
	forget_above(s, reliable);
	return true;
}

void inlay_stream_send_return(struct inlay_stream_send *s)
{
	s->lent = false;
	if (s->doomed) {
		s->doomed = false;
		inlay_stream_send_reset(s, s->reset_code, s->reliable);
	}
	inlay_stream_send_settle(s);
}

void inlay_stream_send_settle(struct inlay_stream_send *s)
{
	if (inlay_stream_send_is_done(s))
		release(s);
}

bool inlay_stream_send_has_lost(const struct inlay_stream_send *s)
{
	if (s->doomed)
		return false;
	return (s->lost.n > 0 && s->lost.ranges[0].begin < s->end) || s->fin_lost;
}

__u64 inlay_stream_send_lost_bytes(const struct inlay_stream_send *s)
{
	__u64 bytes = s->doomed ? 0 : s->lost.total;
	__u32 i;

	for (i = s->lost.n; bytes > 0 && i > 0 && s->lost.ranges[i - 1].end > s->end; i--) {
		const struct inlay_quic_range *r = &s->lost.ranges[i - 1];

		bytes -= r->end - (r->begin > s->end ? r->begin : s->end);
	}
	return bytes;
}

bool inlay_stream_send_has_new(const struct inlay_stream_send *s)
{
	if (s->lent)
		return false;
	if (s->next < s->end)
		return s->next < s->limit;
	return s->fin && !s->fin_sent;
}

bool inlay_stream_send_is_blocked(const struct inlay_stream_send *s)
{
	return !s->lent && s->next < s->end && s->next >= s->limit;
}

static __u64 min_u64(__u64 a, __u64 b)
{
	return a < b ? a : b;
}

bool inlay_stream_send_next(const struct inlay_stream_send *s, __u64 room, __u64 credit,
			    struct inlay_send_range *ret)
{
	struct inlay_quic_range lost;

	if (inlay_stream_send_has_lost(s)) {
		if (inlay_intervals_next(&s->lost, 0, &lost) && lost.begin < s->end) {
			ret->offset = lost.begin;
			ret->len = min_u64(min_u64(lost.end, s->end) - lost.begin, room);
			ret->fin = s->fin_sent && ret->offset + ret->len == s->next;
		} else {
			ret->offset = s->next;
			ret->len = 0;
			ret->fin = true;
		}
		ret->again = true;
		return ret->len > 0 || ret->fin;
	}
	if (!inlay_stream_send_has_new(s))
		return false;
	ret->offset = s->next;
	ret->len = min_u64(min_u64(s->end, s->limit) - s->next, min_u64(room, credit));
	ret->fin = s->fin && ret->offset + ret->len == s->end;
	ret->again = false;
	return ret->len > 0 || ret->fin;
}

int inlay_stream_send_on_sent(struct inlay_stream_send *s, const struct inlay_send_range *r)
{
	if (r->fin) {
		s->fin_sent = true;
		s->fin_lost = false;
	}
	if (r->again)
		return inlay_intervals_remove(&s->lost, r->offset, r->offset + r->len);
	s->next = r->offset + r->len;
	return 0;
}

int inlay_stream_send_on_foreign(struct inlay_stream_send *s, __u64 offset, __u64 len, bool fin,
				 __u64 *ret_rise)
{
	__u64 end = offset + len;
	int err = 0;

	*ret_rise = 0;
	if (s->reset || s->released)
		return 0;
	if (fin) {
		s->fin_sent = true;
		s->fin_lost = false;
	}
	/* Not in order if another context has published an earlier number late. */
	if (offset > s->next)
		err = inlay_intervals_add(&s->lost, s->next, offset);
	else if (s->lost.n > 0)
		err = inlay_intervals_remove(&s->lost, offset, end);
	if (end > s->next) {
		*ret_rise = end - s->next;
		s->next = end;
	}
	return err;
}

int inlay_stream_send_on_acked(struct inlay_stream_send *s, __u64 offset, __u64 len, bool fin)
{
	struct inlay_quic_range first;
	int err;

	if (fin) {
		s->fin_acked = true;
		s->fin_lost = false;
	}
	/* Done with, though the other side of the stream may keep it: nobody wants to know. */
	if (s->released)
		return 0;
	err = inlay_intervals_add(&s->acked, offset, offset + len);
	if (!err)
		err = inlay_intervals_remove(&s->lost, offset, offset + len);
	if (err)
		return err;
	if (inlay_intervals_next(&s->acked, 0, &first) && first.begin == 0 &&
	    first.end > s->acked_below) {
		s->acked_below = first.end;
		if (s->source.acked)
			s->source.acked(s->ctx, s->acked_below);
	}
	inlay_stream_send_settle(s);
	return 0;
}

int inlay_stream_send_on_lost(struct inlay_stream_send *s, __u64 offset, __u64 len, bool fin)
{
	__u64 at = offset, end = offset + len;
	struct inlay_quic_range acked;
	int err;

	if (s->released)
		return 0;
	if (s->reset)
		end = min_u64(end, s->reliable);
	else if (fin && !s->fin_acked)
		s->fin_lost = true;
	/* Only what no other packet has brought over meanwhile. */
	while (at < end) {
		if (!inlay_intervals_next(&s->acked, at, &acked) || acked.begin >= end)
			return inlay_intervals_add(&s->lost, at, end);
		if (acked.begin > at) {
			err = inlay_intervals_add(&s->lost, at, acked.begin);
			if (err)
				return err;
		}
		at = acked.end;
	}
	return 0;
}
