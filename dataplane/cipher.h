/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ciphers of QUIC version 1 that inlay speaks, their sizes and their usage limits.
 */
#ifndef INLAY_DATAPLANE_CIPHER_H
#define INLAY_DATAPLANE_CIPHER_H

#include "inlay_types.h"

enum inlay_cipher {
	INLAY_AES_128_GCM = 1,
	INLAY_AES_256_GCM = 2,
	INLAY_CHACHA20_POLY1305 = 3,
};

#define INLAY_KEY_MAX	 32 /* AEAD and header protection keys, in bytes */
#define INLAY_IV	 12
#define INLAY_SECRET_MAX 48
#define INLAY_SAMPLE	 16 /* of ciphertext, for header protection */

/* Packet-protection keys of one phase. Never logged; the caller zeroes its copy. */
struct inlay_keys {
	__u8 key[INLAY_KEY_MAX]; /* 16 bytes used with AES-128 */
	__u8 iv[INLAY_IV];
};

static inline bool inlay_cipher_is_known(enum inlay_cipher cipher)
{
	return cipher >= INLAY_AES_128_GCM && cipher <= INLAY_CHACHA20_POLY1305;
}

/* Bytes of an AEAD key, and of a header protection key (RFC 9001 sections 5.1 and 5.4). */
static inline size_t inlay_cipher_key_len(enum inlay_cipher cipher)
{
	return cipher == INLAY_AES_128_GCM ? 16 : 32;
}

/* Bytes of a traffic secret: the size of the cipher suite's hash. */
static inline size_t inlay_cipher_secret_len(enum inlay_cipher cipher)
{
	return cipher == INLAY_AES_256_GCM ? 48 : 32;
}

/* Packets that may be sealed under one key: RFC 9001 section 6.6, confidentiality. */
static inline __u64 inlay_cipher_seal_limit(enum inlay_cipher cipher)
{
	return cipher == INLAY_CHACHA20_POLY1305 ? 1ULL << 62 : 1ULL << 23;
}

/* Packets of one connection that may fail authentication: RFC 9001 section 6.6, integrity. */
static inline __u64 inlay_cipher_forgery_limit(enum inlay_cipher cipher)
{
	return cipher == INLAY_CHACHA20_POLY1305 ? 1ULL << 36 : 1ULL << 52;
}

#endif
