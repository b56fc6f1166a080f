/* SPDX-License-Identifier: BSD-2-Clause */
/* Provider cases: vectors that others published. */
#include "../unit/hex.h"
#include "inlay_quic.h"
#include "provider_cases_list.h"
#include "provider_env.h"

struct published {
	enum inlay_cipher cipher;
	const char *key, *iv;
	__u64 pn;
	const char *text, *sealed; /* |sealed|: without the tag */
	/* A whole packet, if one was published: */
	const char *hp, *header, *packet;
};

static const struct published vectors[] = {
	{
		/* RFC 9001 appendix A.3, a server's Initial packet. */
		.cipher = INLAY_AES_128_GCM,
		.key = "cf3a5331653c364c88f0f379b6067e37",
		.iv = "0ac1493ca1905853b0bba03e",
		.pn = 1,
		.text = "02000000000600405a020000560303eefce7f7b37ba1d1632e96677825ddf73988cfc7"
			"9825df566dc5430b9a045a1200130100002e00330024001d00209d3c940d89690b84d0"
			"8a60993c144eca684d1081287c834d5311bcf32bb9da1a002b00020304",
		.sealed = "5a482cd0991cd25b0aac406a5816b6394100f37a1c69797554780bb38cc5a99f5ede"
			  "4cf73c3ec2493a1839b3dbcba3f6ea46c5b7684df3548e7ddeb9c3bf9c73cc3f3bde"
			  "d74b562bfb19fb84022f8ef4cdd93795d77d06edbb7aaf2f58891850abbdca",
		.hp = "c206b8d9b9f0f37644430b490eeaa314",
		.header = "c1000000010008f067a5502a4262b50040750001",
		.packet = "cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a5816"
			  "b6394100f37a1c69797554780bb38cc5a99f5ede4cf73c3ec2493a1839b3dbcba3f6"
			  "ea46c5b7684df3548e7ddeb9c3bf9c73cc3f3bded74b562bfb19fb84022f8ef4cdd9"
			  "3795d77d06edbb7aaf2f58891850abbdca3d20398c276456cbc42158407dd074ee",
	},
	{
		/* "The Galois/Counter Mode of Operation", test case 16: RFC 9001 has none. */
		.cipher = INLAY_AES_256_GCM,
		.key = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
		.iv = "cafebabefacedbaddecaf888",
		.pn = 0,
		.text = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c"
			"95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
		.sealed = "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb0"
			  "8e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
	},
	{
		/* RFC 9001 appendix A.5. */
		.cipher = INLAY_CHACHA20_POLY1305,
		.key = "c6d98ff3441c3fe1b2182094f69caa2ed4b716b65488960a7a984979fb23e1c8",
		.iv = "e0459b3474bdd0e44a41c144",
		.pn = 654360564,
		.text = "01",
		.sealed = "65",
		.hp = "25a282b9e82f06f21f488917a4fc8f1b73573685608597d0efcb076b0ab7a7a4",
		.header = "4200bff4",
		.packet = "4cfe4189655e5cd55c41f69080575d7999c25a5bfb",
	},
};

/* What the other cases compare with gives the published packet itself. */
static int check_reference(struct inlay_case_env *env, const struct published *v)
{
	__u8 packet[ROOM], expected[ROOM], hp[INLAY_KEY_MAX], text[ROOM];
	size_t header_len = hex_bytes(v->header, packet, sizeof(packet));
	size_t len = hex_bytes(v->packet, expected, sizeof(expected));
	size_t text_len = hex_bytes(v->text, text, sizeof(text));
	struct inlay_keys keys;

	hex_bytes(v->key, keys.key, sizeof(keys.key));
	hex_bytes(v->iv, keys.iv, sizeof(keys.iv));
	hex_bytes(v->hp, hp, sizeof(hp));
	CHECK(reference_seal(v->cipher, &keys, hp, packet, header_len, v->pn, text, text_len) ==
	      len);
	CHECK(memcmp(packet, expected, len) == 0);
	return 0;
}

int case_published_vectors(struct inlay_case_env *env)
{
	const struct published *v = &vectors[env->cipher - INLAY_AES_128_GCM];
	__u8 header[HEADER_LEN], text[ROOM], sealed[ROOM], packet[ROOM];
	struct inlay_provider *p = env->provider;
	size_t n = hex_bytes(v->text, text, sizeof(text));
	struct inlay_sa_params params;
	struct inlay_seal_item item;
	struct duplex d = {0};

	CHECK(v->cipher == env->cipher);
	CHECK(hex_bytes(v->sealed, sealed, sizeof(sealed)) == n);
	if (v->packet && check_reference(env, v))
		return -1;
	for (enum inlay_direction dir = INLAY_RX; dir <= INLAY_TX; dir++) {
		duplex_params(env, &d, 0, dir, &params);
		hex_bytes(v->key, params.keys.key, sizeof(params.keys.key));
		hex_bytes(v->iv, params.keys.iv, sizeof(params.keys.iv));
		params.next_pn = v->pn;
		CHECK(duplex_add(env, &d, &params) == 0);
	}
	header_write(header, &d.cid, v->pn);
	item = item_of(&d, header, v->pn, text, n, packet);
	CHECK(p->ops->seal(p, &item, 1) == 1);
	/* Ciphertext does not depend on the header; the tag does. */
	CHECK(memcmp(packet + HEADER_LEN, sealed, n) == 0);
	CHECK(open_packet(env, &d, packet, HEADER_LEN + n + INLAY_TAG) == INLAY_OK);
	CHECK(desc_pn(packet, HEADER_LEN + n + INLAY_TAG) == v->pn);
	CHECK(memcmp(packet + HEADER_LEN, text, n) == 0);
	return 0;
}
