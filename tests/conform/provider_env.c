/* SPDX-License-Identifier: BSD-2-Clause */
#include "provider_env.h"

#include <arpa/inet.h>
#include <endian.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "inlay_quic.h"

/* --- The reference ------------------------------------------------------------------------------
 */

static void must(int ok)
{
	if (ok != 1)
		abort();
}

static void reference_aead(enum inlay_cipher cipher, const struct inlay_keys *keys, __u64 pn,
			   __u8 *packet, size_t header_len, const __u8 *payload, size_t len)
{
	const EVP_CIPHER *evp = cipher == INLAY_AES_128_GCM   ? EVP_aes_128_gcm()
				: cipher == INLAY_AES_256_GCM ? EVP_aes_256_gcm()
							      : EVP_chacha20_poly1305();
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	__u8 nonce[INLAY_IV], last[16];
	int n, i;

	memcpy(nonce, keys->iv, sizeof(nonce));
	for (i = 0; i < 8; i++)
		nonce[INLAY_IV - 1 - i] ^= (__u8)(pn >> (8 * i));
	must(EVP_EncryptInit_ex(ctx, evp, NULL, keys->key, nonce));
	must(EVP_EncryptUpdate(ctx, NULL, &n, packet, (int)header_len));
	must(EVP_EncryptUpdate(ctx, packet + header_len, &n, payload, (int)len));
	must(EVP_EncryptFinal_ex(ctx, last, &n));
	must(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, INLAY_TAG, packet + header_len + len));
	EVP_CIPHER_CTX_free(ctx);
}

static void reference_mask(enum inlay_cipher cipher, const __u8 *hp, const __u8 *sample,
			   __u8 mask[32])
{
	static const __u8 zeros[16];
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	bool chacha = cipher == INLAY_CHACHA20_POLY1305;
	const EVP_CIPHER *evp = cipher == INLAY_AES_128_GCM   ? EVP_aes_128_ecb()
				: cipher == INLAY_AES_256_GCM ? EVP_aes_256_ecb()
							      : EVP_chacha20();
	int n;

	must(EVP_EncryptInit_ex(ctx, evp, NULL, hp, chacha ? sample : NULL));
	must(EVP_EncryptUpdate(ctx, mask, &n, chacha ? zeros : sample, 16));
	EVP_CIPHER_CTX_free(ctx);
}

size_t reference_seal(enum inlay_cipher cipher, const struct inlay_keys *keys, const __u8 *hp,
		      __u8 *packet, size_t header_len, __u64 pn, const __u8 *payload,
		      size_t payload_len)
{
	size_t pn_len = (packet[0] & 3) + 1, i;
	__u8 mask[32];

	reference_aead(cipher, keys, pn, packet, header_len, payload, payload_len);
	reference_mask(cipher, hp, packet + header_len - pn_len + 4, mask);
	packet[0] ^= mask[0] & (packet[0] & 0x80 ? 0x0f : 0x1f);
	for (i = 0; i < pn_len; i++)
		packet[header_len - pn_len + i] ^= mask[1 + i];
	return header_len + payload_len + INLAY_TAG;
}

/* --- Connections --------------------------------------------------------------------------------
 */

static struct inlay_addr loopback(__u16 port)
{
	struct inlay_addr addr = {.family = 2, .port = htons(port), .ip = {127, 0, 0, 1}};

	return addr;
}

struct inlay_keys duplex_keys(const struct duplex *d, int phase)
{
	struct inlay_keys keys;

	if (inlay_protection_keys(d->cipher, d->secrets[phase], &keys))
		abort();
	return keys;
}

void duplex_params(struct inlay_case_env *env, struct duplex *d, __u8 id, enum inlay_direction dir,
		   struct inlay_sa_params *ret_params)
{
	__u8 cid[INLAY_OWN_CID] = {0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7};
	int i;

	if (d->cipher == 0) {
		d->cipher = env->cipher;
		for (i = 0; i < INLAY_SECRET_MAX; i++)
			d->secrets[0][i] = (__u8)(i + id);
		for (i = 1; i < N_SECRETS; i++)
			if (inlay_protection_next_secret(d->cipher, d->secrets[i - 1],
							 d->secrets[i]))
				abort();
		cid[7] = (__u8)(cid[7] + id);
		inlay_cid_set(&d->cid, cid, sizeof(cid));
		d->from = loopback(4000);
		d->to = loopback(4433);
	}
	*ret_params = (struct inlay_sa_params){
		.direction = dir,
		.cipher = d->cipher,
		.cids = &d->cid,
		.n_cids = 1,
		.keys = duplex_keys(d, 0),
	};
	if (inlay_protection_hp_key(d->cipher, d->secrets[0], ret_params->hp))
		abort();
	ret_params->path.local = dir == INLAY_TX ? d->from : d->to;
	ret_params->path.remote = dir == INLAY_TX ? d->to : d->from;
}

int duplex_add(struct inlay_case_env *env, struct duplex *d, const struct inlay_sa_params *params)
{
	struct inlay_provider *p = env->provider;
	bool tx = params->direction == INLAY_TX;
	int err = p->ops->sa_add(p, params, tx ? &d->tx : &d->rx);

	if (!err && !tx)
		err = duplex_next_phase(env, d, INLAY_RX, 1, 0);
	return err;
}

int duplex_init(struct inlay_case_env *env, struct duplex *d, __u8 id, __u64 next_pn)
{
	struct inlay_sa_params params;

	memset(d, 0, sizeof(*d));
	duplex_params(env, d, id, INLAY_TX, &params);
	params.next_pn = next_pn;
	CHECK(duplex_add(env, d, &params) == 0);
	duplex_params(env, d, id, INLAY_RX, &params);
	params.next_pn = next_pn;
	CHECK(duplex_add(env, d, &params) == 0);
	return 0;
}

int duplex_next_phase(struct inlay_case_env *env, const struct duplex *d, enum inlay_direction dir,
		      int phase, __u64 first_pn)
{
	struct inlay_provider *p = env->provider;
	struct inlay_keys keys = duplex_keys(d, phase);

	return p->ops->next_phase(p, dir == INLAY_TX ? d->tx : d->rx, first_pn, &keys);
}

/* --- Packets ------------------------------------------------------------------------------------
 */

size_t header_write(__u8 *dst, const struct inlay_cid *cid, __u64 pn)
{
	size_t i;

	dst[0] = 0x43;
	memcpy(dst + 1, cid->data, cid->len);
	for (i = 0; i < INLAY_TX_PN; i++)
		dst[1 + cid->len + i] = (__u8)(pn >> (8 * (INLAY_TX_PN - 1 - i)));
	return 1U + cid->len + INLAY_TX_PN;
}

struct inlay_seal_item item_of(const struct duplex *d, const __u8 *header, __u64 pn,
			       const __u8 *payload, size_t payload_len, __u8 *dst)
{
	return (struct inlay_seal_item){
		.header = header,
		.header_len = HEADER_LEN,
		.payload = payload,
		.payload_len = payload_len,
		.dst = dst,
		.dst_room = ROOM,
		.sa = d->tx,
		.pn = pn,
		.remote = d->to,
	};
}

static __u8 pattern(size_t i, __u64 pn)
{
	return (__u8)(7 * i + pn);
}

enum inlay_verdict seal_pattern(struct inlay_case_env *env, const struct duplex *d, __u64 pn,
				size_t payload_len, __u8 *dst)
{
	struct inlay_provider *p = env->provider;
	__u8 header[HEADER_LEN], payload[ROOM];
	struct inlay_seal_item item;
	size_t i, n;

	header_write(header, &d->cid, pn);
	for (i = 0; i < payload_len; i++)
		payload[i] = pattern(i, pn);
	item = item_of(d, header, pn, payload, payload_len, dst);
	item.verdict = 0xff;
	n = p->ops->seal(p, &item, 1);
	return n == (item.verdict == INLAY_OK) ? (enum inlay_verdict)item.verdict : 0xfe;
}

enum inlay_verdict open_packet(struct inlay_case_env *env, const struct duplex *d, __u8 *packet,
			       size_t len)
{
	struct inlay_provider *p = env->provider;
	struct inlay_open_item item = {
		.packet = packet,
		.len = len,
		.local = d->to,
		.verdict = 0xff,
	};
	size_t n = p->ops->open(p, &item, 1);

	return n == (item.verdict == INLAY_OK) && item.len == len ? (enum inlay_verdict)item.verdict
								  : 0xfe;
}

bool has_pattern(const __u8 *packet, size_t header_len, size_t payload_len, __u64 pn)
{
	size_t i;

	for (i = 0; i < payload_len; i++)
		if (packet[header_len + i] != pattern(i, pn))
			return false;
	return true;
}

bool all_bytes_are(const __u8 *p, size_t len, __u8 value)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (p[i] != value)
			return false;
	return true;
}

struct inlay_desc desc_of(const __u8 *packet, size_t len)
{
	struct inlay_desc desc;

	memcpy(&desc, packet + len - sizeof(desc), sizeof(desc));
	return desc;
}

__u64 desc_pn(const __u8 *packet, size_t len)
{
	return be64toh(desc_of(packet, len).pn);
}

size_t peer_seal(const struct duplex *d, int phase, __u64 pn, size_t pn_len, __u8 bits,
		 size_t payload_len, __u8 *dst)
{
	struct inlay_keys keys = duplex_keys(d, phase);
	__u8 payload[ROOM], hp[INLAY_KEY_MAX];
	size_t i, header_len = 1U + d->cid.len + pn_len;

	if (inlay_protection_hp_key(d->cipher, d->secrets[0], hp))
		abort();
	dst[0] = (__u8)(0x40 | bits | (phase & 1 ? 0x04 : 0) | (pn_len - 1));
	memcpy(dst + 1, d->cid.data, d->cid.len);
	for (i = 0; i < pn_len; i++)
		dst[1 + d->cid.len + i] = (__u8)(pn >> (8 * (pn_len - 1 - i)));
	for (i = 0; i < payload_len; i++)
		payload[i] = pattern(i, pn);
	return reference_seal(d->cipher, &keys, hp, dst, header_len, pn, payload, payload_len);
}
