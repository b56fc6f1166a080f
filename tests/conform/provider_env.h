/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What provider cases are written with: checks, one connection's two ends, and a reference
 * implementation of packet protection.
 */
#ifndef INLAY_TESTS_PROVIDER_ENV_H
#define INLAY_TESTS_PROVIDER_ENV_H

#include <string.h>

#include "case_check.h"
#include "protection.h"
#include "provider_cases.h"

#define ROOM	   2048
#define HEADER_LEN (1 + INLAY_OWN_CID + INLAY_TX_PN)
#define N_SECRETS  8

/* A connection whose two ends are both in the provider: what |tx| seals |rx| opens. */
struct duplex {
	enum inlay_cipher cipher;
	__u8 secrets[N_SECRETS][INLAY_SECRET_MAX]; /* by phase */
	struct inlay_cid cid;
	struct inlay_addr from, to;
	struct inlay_sa_ref tx, rx;
};

/* What duplex_init() uses unless told otherwise: |id| tells connections apart. */
void duplex_params(struct inlay_case_env *env, struct duplex *d, __u8 id, enum inlay_direction dir,
		   struct inlay_sa_params *ret_params);
/* Both SAs, with numbers from |next_pn| on; the receive SA has the next phase's keys too. 0; -1. */
int duplex_init(struct inlay_case_env *env, struct duplex *d, __u8 id, __u64 next_pn);
/* As duplex_init(), one SA of it, by |params|. 0 or what the provider says. */
int duplex_add(struct inlay_case_env *env, struct duplex *d, const struct inlay_sa_params *params);
struct inlay_keys duplex_keys(const struct duplex *d, int phase);
int duplex_next_phase(struct inlay_case_env *env, const struct duplex *d, enum inlay_direction dir,
		      int phase, __u64 first_pn);

/* The clear short header of a packet of ours. Returns its length. */
size_t header_write(__u8 *dst, const struct inlay_cid *cid, __u64 pn);
/* An item out of place: |dst| has ROOM bytes. */
struct inlay_seal_item item_of(const struct duplex *d, const __u8 *header, __u64 pn,
			       const __u8 *payload, size_t payload_len, __u8 *dst);
/* Seals |payload_len| bytes of a pattern into |dst|. Returns the verdict. */
enum inlay_verdict seal_pattern(struct inlay_case_env *env, const struct duplex *d, __u64 pn,
				size_t payload_len, __u8 *dst);
enum inlay_verdict open_packet(struct inlay_case_env *env, const struct duplex *d, __u8 *packet,
			       size_t len);
/* True: the packet's payload is what seal_pattern() and peer_seal() put in. */
bool has_pattern(const __u8 *packet, size_t header_len, size_t payload_len, __u64 pn);
bool all_bytes_are(const __u8 *p, size_t len, __u8 value);
struct inlay_desc desc_of(const __u8 *packet, size_t len);
__u64 desc_pn(const __u8 *packet, size_t len);

/* A packet of the peer's: number on |pn_len| bytes, |bits| set in the first byte; the phase bit
 * follows |phase|. Returns its length. */
size_t peer_seal(const struct duplex *d, int phase, __u64 pn, size_t pn_len, __u8 bits,
		 size_t payload_len, __u8 *dst);

/* The same by the shortest way through libcrypto. |packet| holds the plain header; returns the
 * packet's length. Ends the program where libcrypto fails. */
size_t reference_seal(enum inlay_cipher cipher, const struct inlay_keys *keys, const __u8 *hp,
		      __u8 *packet, size_t header_len, __u64 pn, const __u8 *payload,
		      size_t payload_len);

#endif
