/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sending side of a stream (RFC 9000 section 3.1, draft-ietf-quic-reliable-stream-reset). No
 * byte is kept here: what is sent again is read again from the source. Lost ranges go before new
 * ones. The source is released once, when the side is done.
 *
 * While it is lent, new bytes and the FIN are a forwarder's, and |next| may be beyond |end|: what
 * was sent is known before the source can read it again. What is lost goes out as far as it can be
 * read. The side is not done, and nothing is reset, before it has come back.
 *
 * Invariant: once the FIN was sent, by whom ever, |next| is the final size.
 */
#ifndef INLAY_QUIC_STREAM_SEND_H
#define INLAY_QUIC_STREAM_SEND_H

#include "conn.h"
#include "intervals.h"

struct inlay_send_buffer;

struct inlay_stream_send {
	struct inlay_stream_source source;
	void *ctx;
	struct inlay_send_buffer *buffer; /* the source, if bytes are written in; or NULL */
	__u64 end;			  /* bytes that may be read */
	__u64 next;  /* first byte never sent: the rise of it is what flow control charges */
	__u64 limit; /* MAX_STREAM_DATA */
	__u64 acked_below;
	struct inlay_intervals acked;
	struct inlay_intervals lost;
	bool fin; /* the stream ends at |end| */
	bool fin_sent;
	bool fin_lost;
	bool fin_acked;
	bool reset;	  /* for good: |end| is the final size, nothing above |reliable| matters */
	bool reset_sent;  /* once: neither code nor final size changes any more */
	bool reset_acked; /* as of |reliable| */
	bool released;
	bool lent;
	bool doomed; /* lent, and to be reset once it is back, by |reset_code| and |reliable| */
	__u64 reset_code;
	__u64 reliable; /* 0: RESET_STREAM; otherwise RESET_STREAM_AT */
};

/* What a frame is to carry. */
struct inlay_send_range {
	__u64 offset;
	__u64 len;
	bool fin;
	bool again; /* was sent before */
};

void inlay_stream_send_init(struct inlay_stream_send *s, const struct inlay_stream_source *source,
			    void *ctx, __u64 limit);
/* Releases the source. */
void inlay_stream_send_fini(struct inlay_stream_send *s);

/* 0; -EINVAL: below the earlier end, or after FIN; -EPIPE: reset. */
int inlay_stream_send_extend(struct inlay_stream_send *s, __u64 end, bool fin);
/*
 * No more data than the first |reliable| bytes, which are delivered. True: this is news, and a
 * frame has to be sent, as soon as inlay_stream_send_reset_is_due(). Later calls may lower
 * |reliable|.
 */
bool inlay_stream_send_reset(struct inlay_stream_send *s, __u64 code, __u64 reliable);
/* What was lent is back: every byte that was sent of it has been noted. */
void inlay_stream_send_return(struct inlay_stream_send *s);
/* All that is to be delivered was sent once: so the final size keeps to the peer's limits. */
static inline bool inlay_stream_send_reset_is_due(const struct inlay_stream_send *s)
{
	return s->reset && !s->reset_acked && s->next == s->end;
}
/* An acknowledged frame carried |reliable|. */
static inline void inlay_stream_send_on_reset_acked(struct inlay_stream_send *s, __u64 reliable)
{
	if (s->reset && reliable == s->reliable)
		s->reset_acked = true;
}
/* What of the source's head has been given to the stream. */
static inline __u64 inlay_stream_send_head(const struct inlay_stream_send *s)
{
	__u64 len = s->source.head && !s->released ? s->source.head(s->ctx) : 0;

	return len < s->end ? len : s->end;
}
/* The source is needed no more if the side is done. */
void inlay_stream_send_settle(struct inlay_stream_send *s);

bool inlay_stream_send_has_lost(const struct inlay_stream_send *s);
/* Bytes to be sent again that can be read. */
__u64 inlay_stream_send_lost_bytes(const struct inlay_stream_send *s);
/* New bytes within the stream's limit, or a FIN never sent. */
bool inlay_stream_send_has_new(const struct inlay_stream_send *s);
/* New bytes, and no credit of the stream's own for any. */
bool inlay_stream_send_is_blocked(const struct inlay_stream_send *s);
/* What to send next in at most |room| bytes, with |credit| left on the connection for new ones.
 * False: nothing. */
bool inlay_stream_send_next(const struct inlay_stream_send *s, __u64 room, __u64 credit,
			    struct inlay_send_range *ret);

/* 0; -ENOMEM. */
int inlay_stream_send_on_sent(struct inlay_stream_send *s, const struct inlay_send_range *r);
/* A forwarder has sent these; what it left out below them is ours to send, and paid for.
 * |*ret_rise|: of the highest offset. 0; -ENOMEM. */
int inlay_stream_send_on_foreign(struct inlay_stream_send *s, __u64 offset, __u64 len, bool fin,
				 __u64 *ret_rise);
int inlay_stream_send_on_acked(struct inlay_stream_send *s, __u64 offset, __u64 len, bool fin);
int inlay_stream_send_on_lost(struct inlay_stream_send *s, __u64 offset, __u64 len, bool fin);

static inline bool inlay_stream_send_is_done(const struct inlay_stream_send *s)
{
	if (s->lent)
		return false;
	if (s->fin_acked && s->acked_below == s->next)
		return true;
	return s->reset && s->reset_acked && s->acked_below >= s->reliable;
}

#endif
