/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Forwarders in threads of their own, each with an upstream of its own and the same subscribers,
 * against a control plane that does to the shared state whatever it may, in any order: everything
 * under TSan, with seeds. A sink that knows nothing of the forwarder's insides takes every copy,
 * and complains.
 *
 * What control plane and sink tell each other (limits that were ever granted, what is over) goes
 * through atomic words of their own, written before the shared state's where something is allowed,
 * and after the quiet moment where something is not any more.
 */
#ifndef INLAY_TESTS_RACE_H
#define INLAY_TESTS_RACE_H

#include "forwarder.h"
#include "sentlog.h"

#define RACE_UPSTREAMS	 2
#define RACE_SUBSCRIBERS 4
#define RACE_LOG	 64
#define RACE_JOURNAL	 256
#define RACE_SLOTS	 16
#define RACE_LIVES	 512  /* of subscriber entries, in a run */
#define RACE_PNS	 8192 /* of one life */
#define RACE_STREAMS	 1024
#define RACE_SEATS	 512   /* positions, in a run; their aliases count from 1 */
#define RACE_PACKETS	 16384 /* of an upstream */
#define RACE_SA		 7     /* of upstream 0; the others follow */
#define RACE_OBJECT	 32    /* bytes of each, two of them header */
#define RACE_ALIAS	 77    /* of both publishers' tracks */

/* A downstream stream, as the sink and the control plane know it. */
struct race_stream {
	__u64 granted; /* the stream's flow-control limit */
	__u64 highest; /* of whoever may send on it now */
	__u32 tag;     /* what its bytes are */
	__u32 closed;  /* the forwarder sends nothing on it any more */
};

/* A subscriber entry between get and put; its transmit SA is its number. */
struct race_life {
	__u32 subscriber;
	__u32 dead;
	__u64 seen[RACE_PNS / 64]; /* packet numbers that came out */
	__u64 bytes, flow;	   /* that came out */
	__u64 own_bytes, own_flow; /* the control plane's */
	__u64 bytes_granted, flow_granted, streams_granted;
	struct race_stream streams[RACE_STREAMS];
	/* The control plane's alone. */
	struct inlay_sentlog log;
	__u64 scanned;
	__u32 seats;		     /* that it has now */
	struct inlay_moment flipped; /* when its headers did */
};

struct race;

/* A forwarder's thread. */
struct race_thread {
	struct race *race;
	__u32 context;
	__u64 rng;
	struct inlay_forwarder f;
	struct race_maker {
		__u64 next_stream;
		struct {
			__u64 number, offset;
			bool is_open;
		} streams[4];
	} maker; /* of the packets of the upstream with our number */
	__u8 packet[INLAY_FRAME_MAX];
	__u64 copies;
};

struct race {
	struct inlay_state *st;
	const struct inlay_tables *t;
	__u32 upstreams[RACE_UPSTREAMS], tracks[RACE_UPSTREAMS];
	__u64 packets;		       /* that forwarders were given */
	__u64 next_pn[RACE_UPSTREAMS]; /* of the publishers' packets: both threads take them */
	struct race_thread threads[RACE_UPSTREAMS];
	struct race_life *lives; /* [RACE_LIVES]; 0 is none */
	__u32 seat_dead[RACE_SEATS];
	/* The upstream's packets whose datagram a seat has had. */
	__u64 datagrams[RACE_SEATS][RACE_PACKETS / 64];
	__u32 header_len, prefix_len; /* of the publishers' subgroup headers, and of the copies' */
	__u32 failures;
	bool is_silent;
	__u64 seed;
};

void race_fail_(struct race *r, const char *what, const char *file, int line);
#define race_expect(r, good)                                                                       \
	do {                                                                                       \
		if (!(good))                                                                       \
			race_fail_((r), #good, __FILE__, __LINE__);                                \
	} while (0)

static inline __u64 race_random(__u64 *rng)
{
	*rng ^= *rng << 13;
	*rng ^= *rng >> 7;
	*rng ^= *rng << 17;
	return *rng;
}

static inline bool race_chance(__u64 *rng, __u32 percent)
{
	return race_random(rng) % 100 < percent;
}

/* What the payload of an upstream's stream consists of. */
static inline __u32 race_tag(__u32 upstream, __u64 number)
{
	return upstream << 6 | (number & 63) | 0x80;
}

/* The byte at |offset| of an upstream stream, behind its header. */
static inline __u8 race_byte(const struct race *r, __u32 tag, __u64 offset)
{
	__u64 at = (offset - r->header_len) % RACE_OBJECT;

	return at == 0 ? 0 : at == 1 ? RACE_OBJECT - 2 : (__u8)tag;
}

/* --- publisher: packets of either upstream, and the forwarder that takes them --- */

void race_publisher_init(struct race *r);
void race_publisher_step(struct race_thread *t);

/* --- sink --- */

void race_sink_take(void *user, const struct inlay_copy *copy);

/* --- control plane, in one thread --- */

struct race_control;
struct race_control *race_control_new(struct race *r, __u64 seed);
void race_control_free(struct race_control *c);
void race_control_step(struct race_control *c);
/* While no forwarder is at work: all sums are exact. */
void race_control_audit(struct race_control *c);
void race_control_print(const struct race_control *c);

#endif
