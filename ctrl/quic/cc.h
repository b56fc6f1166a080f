/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Congestion control: RFC 9002 section 7, with the algorithms behind a table of functions. All
 * sizes are bytes of UDP payload. An algorithm sees acknowledgements, losses and marks, and sets
 * |cwnd|; how fast a window is sent follows from inlay_cc_pacing_rate().
 */
#ifndef INLAY_QUIC_CC_H
#define INLAY_QUIC_CC_H

#include "conn.h"
#include "rtt.h"

struct inlay_cc;

/* What an ACK said, once all of it was taken in. */
struct inlay_cc_sample {
	inlay_ns now;
	inlay_ns rtt;	   /* of its largest number, without the peer's delay; 0: no sample */
	inlay_ns standing; /* lowest of the last half of a round trip; 0: not known */
	inlay_ns smoothed;
	__u64 acked, lost; /* bytes */
	__u64 in_flight;
	__u64 bandwidth; /* bytes/s that the bottleneck was measured to pass; 0: not measured */
	bool round;	 /* a round trip is over */
	bool limited;	 /* the window, not the application, held sending back in it */
};

struct inlay_cc_ops {
	const char *name;
	bool hystart; /* slow start ends by RFC 9406 */
	/* In congestion avoidance, with the window in use. */
	void (*grow)(struct inlay_cc *cc, __u64 bytes, inlay_ns rtt, inlay_ns now);
	/* The window was not full up to |now|. May be NULL. */
	void (*unused)(struct inlay_cc *cc, inlay_ns now);
	/* Loss: sets ssthresh and cwnd. */
	void (*shrink)(struct inlay_cc *cc);
	/* The rest may be NULL. ECN marks, if they are not taken like losses. */
	void (*marked)(struct inlay_cc *cc);
	/* After each ACK. With it, slow start is the algorithm's own business. */
	void (*sampled)(struct inlay_cc *cc, const struct inlay_cc_sample *s);
	void (*persistent)(struct inlay_cc *cc);
	__u64 (*pacing_rate)(const struct inlay_cc *cc, inlay_ns smoothed);
	/* Bytes that may be in flight beyond |cwnd|, since ACKs come late. */
	__u64 (*allowance)(const struct inlay_cc *cc);
};

struct inlay_cc_cubic_state {
	__u64 w_max, w_est, cwnd_prior, k_ms;
	inlay_ns epoch;	 /* start of this congestion avoidance; 0: not begun */
	inlay_ns latest; /* time of the newest ACK in it */
};

/* RFC 9406. */
struct inlay_cc_hystart {
	bool css; /* conservative slow start */
	__u32 css_rounds;
	__u32 samples;
	inlay_ns css_base;     /* lowest RTT of the round that made us careful */
	inlay_ns lowest, last; /* RTT in this round, in the one before; 0: none */
};

enum inlay_live_mode {
	INLAY_LIVE_START,   /* doubles every round trip until a queue is seen */
	INLAY_LIVE_DELAY,   /* keeps the queue near a target */
	INLAY_LIVE_DRAIN,   /* for two round trips, to see whose the queue is */
	INLAY_LIVE_COMPETE, /* CUBIC: somebody else keeps the queue full */
};

/* cc_live.c */
struct inlay_cc_live {
	enum inlay_live_mode mode;
	inlay_ns base;	  /* round trip without a queue, as far as known */
	inlay_ns base_at; /* when one near it was last seen */
	inlay_ns standing;
	inlay_ns latest, jitter; /* between neighbouring samples */
	__u64 extra;		 /* acknowledged by one ACK beyond the usual, in bytes */
	__u64 peak;		 /* highest bandwidth measured, bytes/s */
	bool up;
	__u32 velocity, steady; /* round trips in one direction */
	__u64 round_cwnd;	/* at the start of this one */
	__u64 acked, lost;	/* bytes, since the loss rate was last looked at */
	inlay_ns weighed_at;
	struct {
		bool settled;	 /* a round trip ago */
		__u64 rate;	 /* bytes/s that arrived before */
		__u64 ratio;	 /* lost of a thousand, before less is sent for a try; 0: none */
		__u64 cwnd;	 /* before it */
		__u64 ceiling;	 /* cwnd stays at or below; 0: none */
		__u64 tolerated; /* lost of a thousand, whatever is sent */
		inlay_ns until;	 /* how long the last two hold */
	} try;
	/* Draining. */
	__u64 saved_cwnd;		 /* before it */
	__u64 calm_cwnd, calm_bandwidth; /* as of |base_at| */
	__u32 samples;
	inlay_ns floor; /* lowest RTT of packets sent from |floor_from| on */
	inlay_ns floor_from;
	inlay_ns floors[2]; /* of the drains before */
	inlay_ns drain_at, interval;
};

/* As it was before the last shrink, in case that this turns out to have been a mistake. */
struct inlay_cc_undo {
	__u64 pkts; /* lost, and not turned up since; 0: nothing to undo */
	__u64 cwnd, ssthresh;
	struct inlay_cc_cubic_state cubic;
};

struct inlay_cc {
	const struct inlay_cc_ops *ops;
	__u64 mtu;
	__u64 cwnd;
	__u64 ssthresh;
	bool in_recovery;
	inlay_ns recovery_start;
	__u64 credit; /* NewReno: acknowledged bytes that have not grown the window yet */
	struct inlay_cc_cubic_state cubic;
	struct inlay_cc_hystart hystart;
	struct inlay_cc_live live;
	struct inlay_cc_undo undo;
};

extern const struct inlay_cc_ops inlay_cc_newreno;
extern const struct inlay_cc_ops inlay_cc_cubic;
extern const struct inlay_cc_ops inlay_cc_live;

void inlay_cc_init(struct inlay_cc *cc, enum inlay_cc_algorithm algorithm, __u64 mtu);
/* One packet in flight was acknowledged. |limited|: the window, not the application, was what
 * held sending back (section 7.8). */
void inlay_cc_on_ack(struct inlay_cc *cc, __u64 bytes, inlay_ns sent, bool limited, inlay_ns rtt,
		     inlay_ns now);
/* At the end of every ACK that newly acknowledged or lost something. */
void inlay_cc_on_sample(struct inlay_cc *cc, const struct inlay_cc_sample *s);
/* |pkts| packets were lost, the newest of them sent at |sent| (section 7.3.2). */
void inlay_cc_on_loss(struct inlay_cc *cc, __u64 pkts, inlay_ns sent, inlay_ns now);
/* A packet sent at |sent| and called lost was acknowledged. Once all of an episode are, it is
 * undone (RFC 9438 section 4.9). */
void inlay_cc_on_spurious(struct inlay_cc *cc, inlay_ns sent);
/* The peer reported CE marks; |sent|: when the packet with the largest number that it acknowledged
 * then was sent (section 7.1). */
void inlay_cc_on_ce(struct inlay_cc *cc, inlay_ns sent, inlay_ns now);
/* Section 7.6.2. */
void inlay_cc_on_persistent(struct inlay_cc *cc);
/* Bytes/s (section 7.7). */
__u64 inlay_cc_pacing_rate(const struct inlay_cc *cc, inlay_ns smoothed);

/* cc_hystart.c; |cwnd| in slow start grows by the returned part of |bytes|. */
__u64 inlay_cc_hystart_grow(const struct inlay_cc *cc, __u64 bytes);
void inlay_cc_hystart_on_sample(struct inlay_cc *cc, const struct inlay_cc_sample *s);

/* Round trip without a queue; |lowest|: what was seen in the last half a minute. */
static inline inlay_ns inlay_cc_base(const struct inlay_cc *cc, inlay_ns lowest)
{
	return cc->live.base ? cc->live.base : lowest;
}

/* Most that may be in flight. */
static inline __u64 inlay_cc_window(const struct inlay_cc *cc)
{
	return cc->cwnd + (cc->ops->allowance ? cc->ops->allowance(cc) : 0);
}

static inline __u64 inlay_cc_min_window(const struct inlay_cc *cc)
{
	return 2 * cc->mtu;
}

#endif
