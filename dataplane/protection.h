/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * QUIC packet protection (RFC 9001 section 5): key derivation, nonces, header protection, packet
 * number recovery, and the sealing and opening of bursts of packets. Stateless: which key a packet
 * takes, which numbers were used and what the limits are is the crypto provider's to know.
 */
#ifndef INLAY_DATAPLANE_PROTECTION_H
#define INLAY_DATAPLANE_PROTECTION_H

#include "aead.h"

/* --- Key derivation: RFC 9001 sections 5.1 and 6.1 ------------------------------------------- */

/* AEAD key and IV of |secret|. 0; -ENOMEM. */
int inlay_protection_keys(enum inlay_cipher cipher, const __u8 *secret, struct inlay_keys *ret);
/* Header protection key: of a connection's first secret only. 0; -ENOMEM. */
int inlay_protection_hp_key(enum inlay_cipher cipher, const __u8 *secret, __u8 ret[INLAY_KEY_MAX]);
/* The secret of the next key phase. |ret| may be |secret|. 0; -ENOMEM. */
int inlay_protection_next_secret(enum inlay_cipher cipher, const __u8 *secret,
				 __u8 ret[INLAY_SECRET_MAX]);

/* --- Packet numbers --------------------------------------------------------------------------- */

/*
 * RFC 9000 appendix A.3. |expected|: the largest number opened, plus one (0: none was);
 * |pn_len|: bytes of |truncated|, 1 to 4.
 */
__u64 inlay_protection_recover_pn(__u64 expected, __u32 truncated, size_t pn_len);

/* --- Keys in use ------------------------------------------------------------------------------ */

/* A key phase's keys, expanded: inlay_packet_key_size() bytes, aligned to INLAY_AEAD_ALIGN. */
struct inlay_packet_key {
	__u8 iv[INLAY_IV];
	__u8 pad[INLAY_AEAD_ALIGN - INLAY_IV];
	__u8 context[];
};

size_t inlay_packet_key_size(const struct inlay_aead *aead);
/* 0; -ENOMEM; -ENOTSUP. */
int inlay_packet_key_init(const struct inlay_aead *aead, struct inlay_packet_key *key,
			  enum inlay_cipher cipher, bool seal, const struct inlay_keys *keys);
/* Zeroes all of it. */
void inlay_packet_key_fini(const struct inlay_aead *aead, struct inlay_packet_key *key);

/* --- Packets ---------------------------------------------------------------------------------- */

/* One packet to seal. Its plain header stands at |dst| already, and ends in the packet number. The
 * plaintext is |prefix| and then |payload|; what stands before |payload|, |prefix_len| bytes, is
 * written over. */
struct inlay_packet_seal {
	const struct inlay_packet_key *key;
	const void *hp; /* context of the header protection key */
	__u64 pn;
	const __u8 *prefix;  /* may be where it belongs in |dst| */
	const __u8 *payload; /* where it belongs in |dst|, or does not overlap it */
	__u32 payload_len;
	__u16 header_len;
	__u16 prefix_len; /* 0: none */
	__u8 pn_len;	  /* pn_len, prefix_len and payload_len are 4 at least: there is a sample */
	bool ok;	  /* out; if not, |dst| beyond the header is zero */
	__u8 *dst;	  /* header_len + prefix_len + payload_len + INLAY_TAG bytes */
};

/* Seals, then applies header protection. Any number of packets. */
void inlay_protection_seal(const struct inlay_aead *aead, struct inlay_packet_seal *packets,
			   size_t n);

/* One packet to open, in place, in two steps; between them the caller finds |key| and |pn|. */
struct inlay_packet_open {
	__u8 *packet;
	size_t len; /* pn_offset + 4 + INLAY_SAMPLE at least */
	size_t pn_offset;
	const void *hp;
	/* Out of the first step: */
	__u8 first; /* the first byte, header protection removed */
	__u8 pn_len;
	__u32 truncated; /* the packet number as sent */
	/* Into the second: */
	const struct inlay_packet_key *key;
	__u64 pn;
	/* Out of the second: */
	bool ok;
};

/* Reads what is under header protection. The packet is not changed. */
void inlay_protection_unmask(const struct inlay_aead *aead, struct inlay_packet_open *packets,
			     size_t n);
/*
 * Opens: the header becomes plain, the payload clear, the tag stays. Where authentication fails,
 * header and tag are as they arrived (a stateless reset is told by its last 16 bytes) and the
 * payload is zero, so that nothing unauthenticated is ever seen.
 */
void inlay_protection_open(const struct inlay_aead *aead, struct inlay_packet_open *packets,
			   size_t n);

#endif
