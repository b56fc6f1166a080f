/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What a copy may cost its subscriber (design section 5, rules 1 and 2), in the order in which it
 * is asked for. What was reserved is given back when something later refuses; a packet number
 * cannot be, so it comes last.
 */
#ifndef INLAY_FORWARD_CREDIT_H
#define INLAY_FORWARD_CREDIT_H

#include "tables.h"

/* One copy's. */
struct inlay_credit {
	__u32 size;	/* of the UDP payload */
	__u32 datagram; /* the DATAGRAM frame, type and all; 0: a stream's copy */
	__u64 end;	/* downstream offset behind the copy's bytes */
	__u64 rise;	/* of the stream's highest offset */
	__u64 limit;	/* the stream's */
	__u8 class;
	__u8 first;   /* a stream number is needed */
	__u16 reason; /* why it was refused: enum inlay_reason */
	__u32 stream; /* number that was taken, if |first| */
};

/* Which class: 1 + the number of thresholds that the publisher priority reaches. */
INLAY_INLINE __u8 inlay_class_of(const struct inlay_position *p, __u8 priority)
{
	__u32 class = 1, i;

	/* They ascend. */
	for (i = 0; i < INLAY_CLASSES - 2; i++) {
		if (priority < inlay_load_u16(&p->thresholds[i]))
			break;
		class ++;
	}
	if (INLAY_MUTANT(CLASS_OFF_BY_ONE) && class < INLAY_CLASSES - 1)
		class ++;
	return (__u8) class;
}

/* What is only compared, and reserves nothing. */
INLAY_INLINE bool inlay_credit_fits(struct inlay_credit *c, struct inlay_subscriber *s)
{
	__u64 limit;

	c->reason = INLAY_REASON_OVER_MTU;
	if (c->size > inlay_load_u32(&s->path_mtu) && !INLAY_MUTANT(NO_PATH_MTU))
		return false;
	if (c->datagram) {
		/* RFC 9221 section 3: the whole frame counts. */
		c->reason = INLAY_REASON_OVER_DATAGRAM;
		return c->datagram <= inlay_load_u64(&s->max_datagram) ||
		       INLAY_MUTANT(DATAGRAM_SIZE);
	}
	c->reason = INLAY_REASON_NO_STREAM_CREDIT;
	if (c->first && inlay_load_u64(&s->next_stream) >= inlay_load_u64(&s->stream_limit) &&
	    !INLAY_MUTANT(NO_STREAMS_LIMIT))
		return false;
	c->reason = INLAY_REASON_NO_STREAM_DATA;
	limit = c->limit ? c->limit : inlay_load_u64(&s->initial_stream_limit);
	return c->end <= limit || INLAY_MUTANT(NO_STREAM_LIMIT);
}

INLAY_INLINE bool inlay_credit_flow(struct inlay_credit *c, struct inlay_subscriber *s)
{
	if (c->rise == 0 ||
	    inlay_fetch_add_u64(&s->flow_bytes, c->rise) + c->rise <=
		    inlay_load_u64(&s->flow_limit) ||
	    INLAY_MUTANT(NO_FLOW_LIMIT))
		return true;
	c->reason = INLAY_REASON_NO_DATA;
	(void)inlay_fetch_add_u64(&s->flow_bytes, -c->rise);
	return false;
}

INLAY_INLINE void inlay_credit_flow_undo(const struct inlay_credit *c, struct inlay_subscriber *s)
{
	if (c->rise > 0 && !INLAY_MUTANT(NO_FLOW_UNDO))
		(void)inlay_fetch_add_u64(&s->flow_bytes, -c->rise);
}

INLAY_INLINE bool inlay_credit_bytes(struct inlay_credit *c, struct inlay_subscriber *s)
{
	__u64 *limit = &s->class_limit[c->class & (INLAY_CLASSES - 1)];

	if (inlay_fetch_add_u64(&s->bytes_sent, c->size) + c->size <= inlay_load_u64(limit) ||
	    INLAY_MUTANT(NO_WINDOW_LIMIT))
		return true;
	c->reason = INLAY_REASON_NO_WINDOW;
	(void)inlay_fetch_add_u64(&s->bytes_sent, -(__u64)c->size);
	return false;
}

INLAY_INLINE void inlay_credit_bytes_undo(const struct inlay_credit *c, struct inlay_subscriber *s)
{
	if (!INLAY_MUTANT(NO_WINDOW_UNDO))
		(void)inlay_fetch_add_u64(&s->bytes_sent, -(__u64)c->size);
}

/* The control plane takes numbers too. */
INLAY_INLINE bool inlay_credit_stream(struct inlay_credit *c, struct inlay_subscriber *s)
{
	__u64 number;
	__u32 i;

	c->reason = INLAY_REASON_NO_STREAM_CREDIT;
	for (i = 0; i < INLAY_STREAM_TRIES; i++) {
		number = inlay_load_u64(&s->next_stream);
		if (number >= INLAY_STREAM_MAX ||
		    (number >= inlay_load_u64(&s->stream_limit) && !INLAY_MUTANT(NO_STREAMS_LIMIT)))
			return false;
		if (inlay_cas_u64(&s->next_stream, number, number + 1)) {
			c->stream = (__u32)number;
			return true;
		}
	}
	return false;
}

/* Is there a place in the log, and, for a first frame, a stream number? The number is taken. */
INLAY_INLINE bool inlay_credit_places(struct inlay_credit *c, struct inlay_subscriber *s)
{
	c->reason = INLAY_REASON_LOG_FULL;
	if (inlay_load_u64(&s->next_pn) >= inlay_load_u64(&s->pn_limit) &&
	    !INLAY_MUTANT(NO_LOG_LIMIT))
		return false;
	return !c->first || inlay_credit_stream(c, s);
}

/* All but the packet number. False: nothing is reserved, and c->reason says why. */
INLAY_INLINE bool inlay_credit_take(struct inlay_credit *c, struct inlay_subscriber *s)
{
	if (INLAY_MUTANT(NUMBER_FIRST))
		(void)inlay_fetch_add_u64(&s->next_pn, 1);
	if (!inlay_credit_fits(c, s) || !inlay_credit_flow(c, s))
		return false;
	if (inlay_credit_bytes(c, s)) {
		if (inlay_credit_places(c, s))
			return true;
		inlay_credit_bytes_undo(c, s);
	}
	inlay_credit_flow_undo(c, s);
	return false;
}

#endif
