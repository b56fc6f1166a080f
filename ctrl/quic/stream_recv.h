/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The receiving side of a stream (RFC 9000 section 3.2, draft-ietf-quic-reliable-stream-reset).
 * Bytes that arrive in order pass through; others wait in pages, taken from a budget that all
 * streams of the connection share. What the budget does not take is refused, and its packet not
 * acknowledged: the peer sends it again.
 */
#ifndef INLAY_QUIC_STREAM_RECV_H
#define INLAY_QUIC_STREAM_RECV_H

#include "flow.h"
#include "intervals.h"
#include "send_buffer.h"

struct inlay_stream_recv {
	struct inlay_flow flow; /* received: the highest offset seen */
	struct inlay_budget *budget;
	__u64 next; /* first byte not delivered */
	__u64 final_size;
	struct inlay_intervals waiting; /* bytes held in pages */
	__u8 **pages;			/* pages[0] holds offset first_page * INLAY_RECV_PAGE */
	__u64 first_page;
	__u32 n_pages;
	__u32 room_pages;
	__u32 room_ranges; /* of |waiting|, as far as the budget has been charged */
	bool has_final;
	bool fin_delivered;
	bool reset;	      /* by the peer: bytes above |reliable| are not waited for */
	bool reset_at;	      /* a RESET_STREAM_AT has come */
	bool reset_delivered; /* the application knows */
	__u64 reset_code;
	__u64 reliable;
	bool stopped; /* by us: bytes are thrown away */
	__u64 stop_code;
};

#define INLAY_RECV_PAGE 4096

void inlay_stream_recv_init(struct inlay_stream_recv *r, __u64 window, struct inlay_budget *budget);
void inlay_stream_recv_fini(struct inlay_stream_recv *r);

/*
 * [offset, offset + len) arrived, perhaps the end. |*ret_rise|: how much the highest offset rises;
 * nothing is changed. NO_ERROR; FINAL_SIZE_ERROR; FLOW_CONTROL_ERROR.
 */
enum inlay_quic_error inlay_stream_recv_check(const struct inlay_stream_recv *r, __u64 offset,
					      __u64 len, bool fin, __u64 *ret_rise);
/* The same range, checked and charged to the connection: takes note of the rise and the end. */
void inlay_stream_recv_note(struct inlay_stream_recv *r, __u64 offset, __u64 len, bool fin);
/*
 * RESET_STREAM, or RESET_STREAM_AT if |at|: its final size has passed inlay_stream_recv_check().
 * STREAM_STATE_ERROR: another code than before.
 */
enum inlay_quic_error inlay_stream_recv_reset(struct inlay_stream_recv *r, bool at, __u64 code,
					      __u64 reliable);
/* The application is to learn of the reset now: it has all that was promised. */
static inline bool inlay_stream_recv_reset_is_due(const struct inlay_stream_recv *r)
{
	return r->reset && !r->reset_delivered && !r->fin_delivered &&
	       (r->stopped || r->next >= r->reliable);
}
/* Keeps bytes that are not next. 0; -ENOBUFS: refused; -ENOMEM. */
int inlay_stream_recv_store(struct inlay_stream_recv *r, __u64 offset, const __u8 *data, __u64 len);
/* Bytes waiting that are next. False: none. Valid until inlay_stream_recv_advance(). */
bool inlay_stream_recv_peek(const struct inlay_stream_recv *r, const __u8 **ret_data,
			    size_t *ret_len);
/* |len| bytes were delivered. */
void inlay_stream_recv_advance(struct inlay_stream_recv *r, __u64 len);
/* Throws away what waits. */
void inlay_stream_recv_drop(struct inlay_stream_recv *r);

static inline bool inlay_stream_recv_at_end(const struct inlay_stream_recv *r)
{
	return r->has_final && r->next == r->final_size;
}

/* Nothing that may still arrive matters. */
static inline bool inlay_stream_recv_is_done(const struct inlay_stream_recv *r)
{
	return r->reset_delivered || r->fin_delivered || (r->stopped && r->has_final);
}

#endif
