/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SipHash-2-4 (Aumasson and Bernstein): a keyed hash for tables whose keys strangers choose.
 * Without the key nobody can aim at a slot, nor learn from timing what a table holds.
 */
#ifndef INLAY_DATAPLANE_SIPHASH_H
#define INLAY_DATAPLANE_SIPHASH_H

#include "inlay_types.h"

struct inlay_siphash_key {
	__u64 k0, k1;
};

static inline __u64 inlay_siphash_rotl(__u64 v, unsigned int bits)
{
	return v << bits | v >> (64 - bits);
}

static inline void inlay_siphash_rounds(__u64 v[4], unsigned int n)
{
	while (n--) {
		v[0] += v[1];
		v[1] = inlay_siphash_rotl(v[1], 13) ^ v[0];
		v[0] = inlay_siphash_rotl(v[0], 32);
		v[2] += v[3];
		v[3] = inlay_siphash_rotl(v[3], 16) ^ v[2];
		v[0] += v[3];
		v[3] = inlay_siphash_rotl(v[3], 21) ^ v[0];
		v[2] += v[1];
		v[1] = inlay_siphash_rotl(v[1], 17) ^ v[2];
		v[2] = inlay_siphash_rotl(v[2], 32);
	}
}

/* Up to eight bytes, the first one lowest. */
static inline __u64 inlay_siphash_word(const __u8 *p, size_t len)
{
	__u64 word = 0;

	for (size_t i = 0; i < len; i++)
		word |= (__u64)p[i] << (8 * i);
	return word;
}

static inline __u64 inlay_siphash(const struct inlay_siphash_key *key, const __u8 *data, size_t len)
{
	__u64 v[4] = {key->k0 ^ 0x736f6d6570736575ULL, key->k1 ^ 0x646f72616e646f6dULL,
		      key->k0 ^ 0x6c7967656e657261ULL, key->k1 ^ 0x7465646279746573ULL};
	size_t left = len;
	__u64 word;

	for (; left >= 8; left -= 8, data += 8) {
		word = inlay_siphash_word(data, 8);
		v[3] ^= word;
		inlay_siphash_rounds(v, 2);
		v[0] ^= word;
	}
	word = inlay_siphash_word(data, left) | (__u64)(len & 0xff) << 56;
	v[3] ^= word;
	inlay_siphash_rounds(v, 2);
	v[0] ^= word;
	v[2] ^= 0xff;
	inlay_siphash_rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

#endif
