/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Choice of a backend: its probe, then known answers. A backend that does not give them is not
 * used, whatever the CPU flags say.
 */
#include "aead.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Fastest first. */
static const struct inlay_aead_backend *const backends[] = {
	&inlay_aead_ipsec_mb,
	&inlay_aead_libcrypto,
};

struct known_answer {
	enum inlay_cipher cipher;
	__u8 key[INLAY_KEY_MAX];
	__u8 nonce[INLAY_IV];
	__u8 aad[20];
	__u16 aad_len;
	__u8 plain[16];
	__u32 len;
	__u8 sealed[16];
	__u8 tag[INLAY_TAG];
	__u8 mask_key[INLAY_KEY_MAX];
	__u8 sample[INLAY_SAMPLE];
	__u8 mask[5];
};

static const struct known_answer known_answers[] = {
	{
		/* AEAD: McGrew and Viega, GCM, test case 2. Mask: RFC 9001 appendix A.2. */
		.cipher = INLAY_AES_128_GCM,
		.len = 16,
		.sealed = {0x03, 0x88, 0xda, 0xce, 0x60, 0xb6, 0xa3, 0x92, 0xf3, 0x28, 0xc2, 0xb9,
			   0x71, 0xb2, 0xfe, 0x78},
		.tag = {0xab, 0x6e, 0x47, 0xd4, 0x2c, 0xec, 0x13, 0xbd, 0xf5, 0x3a, 0x67, 0xb2,
			0x12, 0x57, 0xbd, 0xdf},
		.mask_key = {0x9f, 0x50, 0x44, 0x9e, 0x04, 0xa0, 0xe8, 0x10, 0x28, 0x3a, 0x1e, 0x99,
			     0x33, 0xad, 0xed, 0xd2},
		.sample = {0xd1, 0xb1, 0xc9, 0x8d, 0xd7, 0x68, 0x9f, 0xb8, 0xec, 0x11, 0xd2, 0x42,
			   0xb1, 0x23, 0xdc, 0x9b},
		.mask = {0x43, 0x7b, 0x9a, 0xec, 0x36},
	},
	{
		/* AEAD: the same, test case 14. Mask: FIPS 197 appendix C.3. */
		.cipher = INLAY_AES_256_GCM,
		.len = 16,
		.sealed = {0xce, 0xa7, 0x40, 0x3d, 0x4d, 0x60, 0x6b, 0x6e, 0x07, 0x4e, 0xc5, 0xd3,
			   0xba, 0xf3, 0x9d, 0x18},
		.tag = {0xd0, 0xd1, 0xc8, 0xa7, 0x99, 0x99, 0x6b, 0xf0, 0x26, 0x5b, 0x98, 0xb5,
			0xd4, 0x8a, 0xb9, 0x19},
		.mask_key = {0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a,
			     0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15,
			     0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f},
		.sample = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb,
			   0xcc, 0xdd, 0xee, 0xff},
		.mask = {0x8e, 0xa2, 0xb7, 0xca, 0x51},
	},
	{
		/* RFC 9001 appendix A.5. */
		.cipher = INLAY_CHACHA20_POLY1305,
		.key = {0xc6, 0xd9, 0x8f, 0xf3, 0x44, 0x1c, 0x3f, 0xe1, 0xb2, 0x18, 0x20,
			0x94, 0xf6, 0x9c, 0xaa, 0x2e, 0xd4, 0xb7, 0x16, 0xb6, 0x54, 0x88,
			0x96, 0x0a, 0x7a, 0x98, 0x49, 0x79, 0xfb, 0x23, 0xe1, 0xc8},
		.nonce = {0xe0, 0x45, 0x9b, 0x34, 0x74, 0xbd, 0xd0, 0xe4, 0x6d, 0x41, 0x7e, 0xb0},
		.aad = {0x42, 0x00, 0xbf, 0xf4},
		.aad_len = 4,
		.plain = {0x01},
		.len = 1,
		.sealed = {0x65},
		.tag = {0x5e, 0x5c, 0xd5, 0x5c, 0x41, 0xf6, 0x90, 0x80, 0x57, 0x5d, 0x79, 0x99,
			0xc2, 0x5a, 0x5b, 0xfb},
		.mask_key = {0x25, 0xa2, 0x82, 0xb9, 0xe8, 0x2f, 0x06, 0xf2, 0x1f, 0x48, 0x89,
			     0x17, 0xa4, 0xfc, 0x8f, 0x1b, 0x73, 0x57, 0x36, 0x85, 0x60, 0x85,
			     0x97, 0xd0, 0xef, 0xcb, 0x07, 0x6b, 0x0a, 0xb7, 0xa7, 0xa4},
		.sample = {0x5e, 0x5c, 0xd5, 0x5c, 0x41, 0xf6, 0x90, 0x80, 0x57, 0x5d, 0x79, 0x99,
			   0xc2, 0x5a, 0x5b, 0xfb},
		.mask = {0xae, 0xfe, 0xfe, 0x7d, 0x03},
	},
};

static bool seals_as_known(struct inlay_aead *aead, const struct known_answer *known, void *key)
{
	const struct inlay_aead_backend *b = aead->backend;
	__u8 out[16], tag[INLAY_TAG];
	struct inlay_aead_item item = {
		.key = key,
		.aad = known->aad,
		.aad_len = known->aad_len,
		.in = known->plain,
		.out = out,
		.tag = tag,
		.len = known->len,
	};

	memcpy(item.nonce, known->nonce, sizeof(item.nonce));
	if (b->key_init(aead->instance, key, known->cipher, true, known->key))
		return false;
	b->seal(aead->instance, &item, 1);
	b->key_fini(aead->instance, key);
	return item.ok && memcmp(out, known->sealed, known->len) == 0 &&
	       memcmp(tag, known->tag, sizeof(tag)) == 0;
}

static bool opens_as_known(struct inlay_aead *aead, const struct known_answer *known, void *key)
{
	const struct inlay_aead_backend *b = aead->backend;
	__u8 out[2][16], tag[2][INLAY_TAG];
	struct inlay_aead_item items[2];
	int i;

	if (b->key_init(aead->instance, key, known->cipher, false, known->key))
		return false;
	for (i = 0; i < 2; i++) {
		memcpy(tag[i], known->tag, sizeof(tag[i]));
		items[i] = (struct inlay_aead_item){
			.key = key,
			.aad = known->aad,
			.aad_len = known->aad_len,
			.in = known->sealed,
			.out = out[i],
			.tag = tag[i],
			.len = known->len,
		};
		memcpy(items[i].nonce, known->nonce, sizeof(items[i].nonce));
	}
	/* The second one is forged. */
	tag[1][15] ^= 1;
	b->open(aead->instance, items, 2);
	b->key_fini(aead->instance, key);
	return items[0].ok && !items[1].ok && memcmp(out[0], known->plain, known->len) == 0;
}

static bool masks_as_known(struct inlay_aead *aead, const struct known_answer *known, void *key)
{
	const struct inlay_aead_backend *b = aead->backend;
	struct inlay_mask_item item = {.key = key, .sample = known->sample};

	if (b->mask_init(aead->instance, key, known->cipher, known->mask_key))
		return false;
	b->masks(aead->instance, &item, 1);
	b->mask_fini(aead->instance, key);
	return memcmp(item.mask, known->mask, sizeof(known->mask)) == 0;
}

int inlay_aead_self_test(struct inlay_aead *aead)
{
	const struct inlay_aead_backend *b = aead->backend;
	size_t size = b->key_size > b->mask_size ? b->key_size : b->mask_size;
	int err = 0;
	void *key;
	size_t i;

	/* Public keys: ordinary memory will do. */
	if (posix_memalign(&key, INLAY_AEAD_ALIGN, size))
		return -ENOMEM;
	for (i = 0; i < INLAY_ARRAY_SIZE(known_answers) && !err; i++) {
		const struct known_answer *known = &known_answers[i];

		if (!seals_as_known(aead, known, key) || !opens_as_known(aead, known, key) ||
		    !masks_as_known(aead, known, key))
			err = -EBADMSG;
	}
	free(key);
	return err;
}

static int backend_open(struct inlay_aead *aead, const struct inlay_aead_backend *backend)
{
	int err = backend->probe();

	if (err)
		return err;
	aead->backend = backend;
	aead->instance = backend->instance_new();
	if (!aead->instance)
		return -ENOMEM;
	err = inlay_aead_self_test(aead);
	if (err)
		inlay_aead_fini(aead);
	return err;
}

int inlay_aead_init(struct inlay_aead *aead, const char *name)
{
	bool any = !name || strcmp(name, "auto") == 0;
	int err = -ENOENT;
	size_t i;

	memset(aead, 0, sizeof(*aead));
	for (i = 0; i < INLAY_ARRAY_SIZE(backends); i++) {
		if (!any && strcmp(name, backends[i]->name) != 0)
			continue;
		err = backend_open(aead, backends[i]);
		if (!err || !any)
			return err;
	}
	return err;
}

void inlay_aead_fini(struct inlay_aead *aead)
{
	if (aead->instance)
		aead->backend->instance_free(aead->instance);
	aead->instance = NULL;
}
