/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An example of a device for the conformance suite (../device.h): what a driver has to do for each
 * operation, in the plainest way, with libcrypto in place of an engine. Where hardware has tables
 * it searches; one lock serves all. It uses nothing of inlay but offload/provider.h and what that
 * includes.
 *
 * It can be told to break a rule (INLAY_EXAMPLE_FAULT=NAME, of example_faults.def): the suite's own
 * test asserts which case finds which fault.
 */
#ifndef INLAY_CONFORM_EXAMPLE_H
#define INLAY_CONFORM_EXAMPLE_H

#include <pthread.h>

#include "provider.h"

#define EXAMPLE_CIDS   16   /* of one SA */
#define EXAMPLE_WINDOW 4096 /* newest numbers of which each is known */
#define EXAMPLE_EVENTS 8    /* pending ones of one SA */
#define EXAMPLE_PACKET 65527

enum example_fault {
	EXAMPLE_NO_FAULT,
#define FAULT(name, text) EXAMPLE_##name,
#include "example_faults.def"
#undef FAULT
};

/* A key phase; |has| false: there is none. */
struct example_phase {
	bool has;
	struct inlay_keys keys;
	__u64 sealed; /* packets */
	__u64 lowest; /* receive: number opened with it; UINT64_MAX: none was */
};

enum { OLD, CURRENT, NEXT, N_PHASES };

struct example_sa {
	bool used;
	__u32 number;
	__u16 generation; /* of this one, or of the next one here */
	enum inlay_direction direction;
	enum inlay_cipher cipher;
	struct inlay_path path;
	struct inlay_addr remote_before;
	struct inlay_addr remotes[INLAY_PROVIDER_REMOTES];
	size_t n_remotes;
	struct inlay_cid cids[EXAMPLE_CIDS];
	size_t n_cids;
	__u8 hp[INLAY_KEY_MAX];
	struct example_phase phases[N_PHASES];
	bool phase_bit; /* of phases[CURRENT] */
	__u64 first_pn; /* transmit: phases[CURRENT] seals from here on */
	__u64 soft_limit, hard_limit;
	__u64 next_pn;			  /* largest number seen, plus one */
	__u64 floor;			  /* transmit: all below is refused */
	__u64 taken[EXAMPLE_WINDOW / 64]; /* transmit: number n is bit n % EXAMPLE_WINDOW */
	enum inlay_provider_event_kind events[EXAMPLE_EVENTS];
	size_t n_events;
	struct inlay_sa_stats stats;
};

struct example {
	struct inlay_provider base; /* first: the suite knows this much */
	pthread_mutex_t lock;
	enum example_fault fault;
	struct example_sa *sas;
	__u32 max_sa, max_cids, n_cids, next_sa;
	__u8 work[EXAMPLE_PACKET + INLAY_TAG];
};

/* example_cipher.c: 0 or -1. |text| and |out| may be the same. */
int example_seal(enum inlay_cipher cipher, const struct inlay_keys *keys,
		 const __u8 nonce[INLAY_IV], const __u8 *header, size_t header_len,
		 const __u8 *text, size_t len, __u8 *out);
/* The tag stands behind |text|. -1: it is not of this text, which is zero then. */
int example_open(enum inlay_cipher cipher, const struct inlay_keys *keys,
		 const __u8 nonce[INLAY_IV], const __u8 *header, size_t header_len, __u8 *text,
		 size_t len, bool check_tag);
/* RFC 9001 section 5.4: five bytes of mask from a sample. */
int example_mask(enum inlay_cipher cipher, const __u8 *hp, const __u8 sample[INLAY_SAMPLE],
		 __u8 mask[INLAY_SAMPLE]);

/* example_packet.c: under the lock. */
enum inlay_verdict example_seal_item(struct example *e, const struct inlay_seal_item *item);
enum inlay_verdict example_open_item(struct example *e, const struct inlay_open_item *item);

/* example_device.c */
bool example_has_cid(const struct example_sa *sa, const __u8 *cid, size_t len);
bool example_has_remote(const struct example_sa *sa, const struct inlay_addr *remote);
void example_raise(struct example_sa *sa, enum inlay_provider_event_kind kind);

#endif
