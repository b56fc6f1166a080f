/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * QUIC packet protection. Long headers are handled too (their first byte hides four bits, not
 * five): the RFC's Initial packets are test vectors.
 */
#include "protection.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

/* --- Key derivation --------------------------------------------------------------------------- */

/*
 * HKDF-Expand-Label (RFC 8446 section 7.1) with an empty context. Nothing that QUIC derives is
 * longer than the hash, so that one block of HKDF-Expand (RFC 5869 section 2.3) is all.
 */
static int expand_label(enum inlay_cipher cipher, const __u8 *secret, const char *label, __u8 *ret,
			size_t len)
{
	static const char prefix[] = "tls13 ";
	const EVP_MD *md = cipher == INLAY_AES_256_GCM ? EVP_sha384() : EVP_sha256();
	__u8 info[32], block[EVP_MAX_MD_SIZE];
	size_t label_len = strlen(label), n = 0;

	info[n++] = (__u8)(len >> 8);
	info[n++] = (__u8)len;
	info[n++] = (__u8)(sizeof(prefix) - 1 + label_len);
	memcpy(info + n, prefix, sizeof(prefix) - 1);
	n += sizeof(prefix) - 1;
	memcpy(info + n, label, label_len);
	n += label_len;
	info[n++] = 0; /* length of the context */
	info[n++] = 1; /* number of the block */
	if (!HMAC(md, secret, (int)inlay_cipher_secret_len(cipher), info, n, block, NULL))
		return -ENOMEM;
	memcpy(ret, block, len);
	OPENSSL_cleanse(block, sizeof(block));
	return 0;
}

int inlay_protection_keys(enum inlay_cipher cipher, const __u8 *secret, struct inlay_keys *ret)
{
	struct inlay_keys keys = {0};
	int err;

	err = expand_label(cipher, secret, "quic key", keys.key, inlay_cipher_key_len(cipher));
	if (!err)
		err = expand_label(cipher, secret, "quic iv", keys.iv, INLAY_IV);
	if (!err)
		*ret = keys;
	OPENSSL_cleanse(&keys, sizeof(keys));
	return err;
}

int inlay_protection_hp_key(enum inlay_cipher cipher, const __u8 *secret, __u8 ret[INLAY_KEY_MAX])
{
	return expand_label(cipher, secret, "quic hp", ret, inlay_cipher_key_len(cipher));
}

int inlay_protection_next_secret(enum inlay_cipher cipher, const __u8 *secret,
				 __u8 ret[INLAY_SECRET_MAX])
{
	return expand_label(cipher, secret, "quic ku", ret, inlay_cipher_secret_len(cipher));
}

/* --- Packet numbers --------------------------------------------------------------------------- */

__u64 inlay_protection_recover_pn(__u64 expected, __u32 truncated, size_t pn_len)
{
	__u64 window = 1ULL << (8 * pn_len);
	__u64 half = window / 2;
	__u64 candidate = (expected & ~(window - 1)) | truncated;

	/* The sums are on the side where they cannot wrap below zero. */
	if (candidate + half <= expected && candidate < (1ULL << 62) - window)
		return candidate + window;
	if (candidate > expected + half && candidate >= window)
		return candidate - window;
	return candidate;
}

/* --- Keys in use ------------------------------------------------------------------------------ */

size_t inlay_packet_key_size(const struct inlay_aead *aead)
{
	return sizeof(struct inlay_packet_key) + aead->backend->key_size;
}

int inlay_packet_key_init(const struct inlay_aead *aead, struct inlay_packet_key *key,
			  enum inlay_cipher cipher, bool seal, const struct inlay_keys *keys)
{
	memcpy(key->iv, keys->iv, sizeof(key->iv));
	return aead->backend->key_init(aead->instance, key->context, cipher, seal, keys->key);
}

void inlay_packet_key_fini(const struct inlay_aead *aead, struct inlay_packet_key *key)
{
	aead->backend->key_fini(aead->instance, key->context);
	explicit_bzero(key, inlay_packet_key_size(aead));
}

/* --- Packets ---------------------------------------------------------------------------------- */

/* RFC 9001 section 5.3: the IV, exclusive-or the packet number on its right. */
static void make_nonce(const struct inlay_packet_key *key, __u64 pn, __u8 nonce[INLAY_IV])
{
	__u64 right;

	_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "bswap gives network order");
	/* In two parts that do not overlap: to load what was just stored in other pieces stalls. */
	memcpy(&right, key->iv + INLAY_IV - sizeof(right), sizeof(right));
	right ^= __builtin_bswap64(pn);
	memcpy(nonce, key->iv, INLAY_IV - sizeof(right));
	memcpy(nonce + INLAY_IV - sizeof(right), &right, sizeof(right));
}

/* RFC 9001 section 5.4.1. */
static __u8 first_byte_bits(__u8 first)
{
	return first & 0x80 ? 0x0f : 0x1f;
}

static void apply_mask(struct inlay_packet_seal *p, const __u8 *mask)
{
	__u8 *pn = p->dst + p->header_len - p->pn_len;
	__u32 word, bits;
	size_t i;

	p->dst[0] ^= mask[0] & first_byte_bits(p->dst[0]);
	/* Ours always (design section 4). */
	if (p->pn_len == sizeof(word)) {
		memcpy(&word, pn, sizeof(word));
		memcpy(&bits, mask + 1, sizeof(bits));
		word ^= bits;
		memcpy(pn, &word, sizeof(word));
		return;
	}
	for (i = 0; i < p->pn_len; i++)
		pn[i] ^= mask[1 + i];
}

static void seal_burst(const struct inlay_aead *aead, struct inlay_packet_seal *packets, size_t n)
{
	struct inlay_aead_item items[INLAY_AEAD_BURST];
	struct inlay_mask_item masks[INLAY_AEAD_BURST];
	size_t i;

	for (i = 0; i < n; i++) {
		struct inlay_packet_seal *p = &packets[i];

		items[i].key = p->key->context;
		items[i].aad = p->dst;
		items[i].aad_len = p->header_len;
		items[i].prefix = p->prefix;
		items[i].prefix_len = p->prefix_len;
		items[i].in = p->payload - p->prefix_len;
		items[i].out = p->dst + p->header_len;
		items[i].len = p->prefix_len + p->payload_len;
		items[i].tag = items[i].out + items[i].len;
		make_nonce(p->key, p->pn, items[i].nonce);
		masks[i].key = p->hp;
		/* RFC 9001 section 5.4.2: four bytes after the packet number begins. */
		masks[i].sample = p->dst + p->header_len - p->pn_len + 4;
	}
	aead->backend->seal(aead->instance, items, n);
	aead->backend->masks(aead->instance, masks, n);
	for (i = 0; i < n; i++) {
		packets[i].ok = items[i].ok;
		if (items[i].ok)
			apply_mask(&packets[i], masks[i].mask);
		else
			memset(items[i].out, 0, items[i].len + INLAY_TAG);
	}
}

void inlay_protection_seal(const struct inlay_aead *aead, struct inlay_packet_seal *packets,
			   size_t n)
{
	while (n > INLAY_AEAD_BURST) {
		seal_burst(aead, packets, INLAY_AEAD_BURST);
		packets += INLAY_AEAD_BURST;
		n -= INLAY_AEAD_BURST;
	}
	seal_burst(aead, packets, n);
}

static void unmask_burst(const struct inlay_aead *aead, struct inlay_packet_open *packets, size_t n)
{
	struct inlay_mask_item masks[INLAY_AEAD_BURST];
	size_t i, k;

	for (i = 0; i < n; i++) {
		masks[i].key = packets[i].hp;
		masks[i].sample = packets[i].packet + packets[i].pn_offset + 4;
	}
	aead->backend->masks(aead->instance, masks, n);
	for (i = 0; i < n; i++) {
		struct inlay_packet_open *p = &packets[i];
		const __u8 *pn = p->packet + p->pn_offset;
		const __u8 *mask = masks[i].mask;

		p->first = p->packet[0] ^ (mask[0] & first_byte_bits(p->packet[0]));
		p->pn_len = (p->first & 3) + 1;
		p->truncated = 0;
		for (k = 0; k < p->pn_len; k++)
			p->truncated = p->truncated << 8 | (pn[k] ^ mask[1 + k]);
	}
}

void inlay_protection_unmask(const struct inlay_aead *aead, struct inlay_packet_open *packets,
			     size_t n)
{
	while (n > INLAY_AEAD_BURST) {
		unmask_burst(aead, packets, INLAY_AEAD_BURST);
		packets += INLAY_AEAD_BURST;
		n -= INLAY_AEAD_BURST;
	}
	unmask_burst(aead, packets, n);
}

/* Writes the plain header, which is the AAD, and keeps what stood there. */
static void write_header(struct inlay_packet_open *p, __u8 kept[5])
{
	__u8 *pn = p->packet + p->pn_offset;
	size_t i;

	kept[0] = p->packet[0];
	p->packet[0] = p->first;
	for (i = 0; i < p->pn_len; i++) {
		kept[1 + i] = pn[i];
		pn[i] = (__u8)(p->truncated >> (8 * (p->pn_len - 1 - i)));
	}
}

static void restore_header(struct inlay_packet_open *p, const __u8 kept[5])
{
	p->packet[0] = kept[0];
	memcpy(p->packet + p->pn_offset, kept + 1, p->pn_len);
}

static void open_burst(const struct inlay_aead *aead, struct inlay_packet_open *packets, size_t n)
{
	struct inlay_aead_item items[INLAY_AEAD_BURST];
	__u8 kept[INLAY_AEAD_BURST][5];
	size_t i;

	for (i = 0; i < n; i++) {
		struct inlay_packet_open *p = &packets[i];
		size_t header_len = p->pn_offset + p->pn_len;

		write_header(p, kept[i]);
		items[i].key = p->key->context;
		items[i].aad = p->packet;
		items[i].aad_len = (__u16)header_len;
		items[i].in = p->packet + header_len;
		items[i].out = p->packet + header_len;
		items[i].len = (__u32)(p->len - header_len - INLAY_TAG);
		items[i].tag = p->packet + p->len - INLAY_TAG;
		make_nonce(p->key, p->pn, items[i].nonce);
	}
	aead->backend->open(aead->instance, items, n);
	for (i = 0; i < n; i++) {
		packets[i].ok = items[i].ok;
		if (items[i].ok)
			continue;
		memset(items[i].out, 0, items[i].len);
		restore_header(&packets[i], kept[i]);
	}
}

void inlay_protection_open(const struct inlay_aead *aead, struct inlay_packet_open *packets,
			   size_t n)
{
	while (n > INLAY_AEAD_BURST) {
		open_burst(aead, packets, INLAY_AEAD_BURST);
		packets += INLAY_AEAD_BURST;
		n -= INLAY_AEAD_BURST;
	}
	open_burst(aead, packets, n);
}
