/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The libcrypto backend: an EVP context per key, so that the key schedule is made once.
 *
 * A key context in the caller's locked memory is only a pointer: libcrypto keeps expanded keys on
 * its own heap, and offers no way to place a cipher context elsewhere (its secure heap serves
 * private keys alone). They are cleansed when the context is freed. What is left: while a
 * connection lives, its expanded keys could reach swap or a core dump. The daemon turns core dumps
 * off (PR_SET_DUMPABLE); the ipsec-mb backend keeps every byte in the locked memory.
 */
#include "aead.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

/* Ciphers fetched once: an implicit fetch for every context is slow and takes locks. */
struct libcrypto {
	EVP_CIPHER *aead[INLAY_CHACHA20_POLY1305 + 1];
	EVP_CIPHER *mask[INLAY_CHACHA20_POLY1305 + 1];
};

struct libcrypto_key {
	EVP_CIPHER_CTX *ctx;
	enum inlay_cipher cipher;
};

static const char *const aead_names[] = {
	[INLAY_AES_128_GCM] = "AES-128-GCM",
	[INLAY_AES_256_GCM] = "AES-256-GCM",
	[INLAY_CHACHA20_POLY1305] = "ChaCha20-Poly1305",
};

static const char *const mask_names[] = {
	[INLAY_AES_128_GCM] = "AES-128-ECB",
	[INLAY_AES_256_GCM] = "AES-256-ECB",
	[INLAY_CHACHA20_POLY1305] = "ChaCha20",
};

static int probe(void)
{
	return 0;
}

static void instance_free(void *instance)
{
	struct libcrypto *lc = instance;
	int i;

	for (i = INLAY_AES_128_GCM; i <= INLAY_CHACHA20_POLY1305; i++) {
		EVP_CIPHER_free(lc->aead[i]);
		EVP_CIPHER_free(lc->mask[i]);
	}
	free(lc);
}

static void *instance_new(void)
{
	struct libcrypto *lc = calloc(1, sizeof(*lc));
	int i;

	if (!lc)
		return NULL;
	for (i = INLAY_AES_128_GCM; i <= INLAY_CHACHA20_POLY1305; i++) {
		/* A cipher that this libcrypto was built without stays NULL: -ENOTSUP later. */
		lc->aead[i] = EVP_CIPHER_fetch(NULL, aead_names[i], NULL);
		lc->mask[i] = EVP_CIPHER_fetch(NULL, mask_names[i], NULL);
	}
	return lc;
}

static int context_init(struct libcrypto_key *key, const EVP_CIPHER *evp, enum inlay_cipher cipher,
			bool encrypt, const __u8 *bytes)
{
	memset(key, 0, sizeof(*key));
	if (!evp)
		return -ENOTSUP;
	key->ctx = EVP_CIPHER_CTX_new();
	if (!key->ctx)
		return -ENOMEM;
	key->cipher = cipher;
	if (EVP_CipherInit_ex2(key->ctx, evp, bytes, NULL, encrypt, NULL) != 1) {
		EVP_CIPHER_CTX_free(key->ctx);
		key->ctx = NULL;
		return -ENOMEM;
	}
	return 0;
}

static int key_init(void *instance, void *memory, enum inlay_cipher cipher, bool seal,
		    const __u8 *bytes)
{
	struct libcrypto *lc = instance;

	return context_init(memory, lc->aead[cipher], cipher, seal, bytes);
}

static void key_fini(void *instance, void *memory)
{
	struct libcrypto_key *key = memory;

	/* Cleanses the expanded key. */
	EVP_CIPHER_CTX_free(key->ctx);
	explicit_bzero(key, sizeof(*key));
}

static int mask_init(void *instance, void *memory, enum inlay_cipher cipher, const __u8 *bytes)
{
	struct libcrypto *lc = instance;
	struct libcrypto_key *key = memory;
	int err = context_init(key, lc->mask[cipher], cipher, true, bytes);

	if (!err)
		EVP_CIPHER_CTX_set_padding(key->ctx, 0);
	return err;
}

static bool seal_one(const struct inlay_aead_item *item)
{
	const struct libcrypto_key *key = item->key;
	int len;

	return EVP_EncryptInit_ex2(key->ctx, NULL, NULL, item->nonce, NULL) == 1 &&
	       EVP_EncryptUpdate(key->ctx, NULL, &len, item->aad, item->aad_len) == 1 &&
	       EVP_EncryptUpdate(key->ctx, item->out, &len, item->in, (int)item->len) == 1 &&
	       EVP_EncryptFinal_ex(key->ctx, item->out + item->len, &len) == 1 &&
	       EVP_CIPHER_CTX_ctrl(key->ctx, EVP_CTRL_AEAD_GET_TAG, INLAY_TAG, item->tag) == 1;
}

static bool open_one(const struct inlay_aead_item *item)
{
	const struct libcrypto_key *key = item->key;
	int len;

	return EVP_DecryptInit_ex2(key->ctx, NULL, NULL, item->nonce, NULL) == 1 &&
	       EVP_CIPHER_CTX_ctrl(key->ctx, EVP_CTRL_AEAD_SET_TAG, INLAY_TAG, item->tag) == 1 &&
	       EVP_DecryptUpdate(key->ctx, NULL, &len, item->aad, item->aad_len) == 1 &&
	       EVP_DecryptUpdate(key->ctx, item->out, &len, item->in, (int)item->len) == 1 &&
	       EVP_DecryptFinal_ex(key->ctx, item->out + item->len, &len) == 1;
}

static void seal(void *instance, struct inlay_aead_item *items, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		inlay_aead_put_prefix(&items[i]);
		items[i].ok = seal_one(&items[i]);
	}
}

static void open_items(void *instance, struct inlay_aead_item *items, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		items[i].ok = open_one(&items[i]);
}

/* A mask that libcrypto fails to make is all zero bits: the packet then fails to authenticate at
 * whoever opens it. It fails only without memory, which these calls do not ask for. */
static void mask_one(struct inlay_mask_item *item)
{
	static const __u8 zeros[5];
	const struct libcrypto_key *key = item->key;
	int len;

	memset(item->mask, 0, sizeof(item->mask));
	if (key->cipher != INLAY_CHACHA20_POLY1305) {
		EVP_EncryptUpdate(key->ctx, item->mask, &len, item->sample, INLAY_SAMPLE);
		return;
	}
	/* RFC 9001 section 5.4.4: counter and nonce are the sample, in libcrypto's own order. */
	if (EVP_EncryptInit_ex2(key->ctx, NULL, NULL, item->sample, NULL) == 1)
		EVP_EncryptUpdate(key->ctx, item->mask, &len, zeros, sizeof(zeros));
}

static void masks(void *instance, struct inlay_mask_item *items, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		mask_one(&items[i]);
}

const struct inlay_aead_backend inlay_aead_libcrypto = {
	.name = "libcrypto",
	.key_size = sizeof(struct libcrypto_key),
	.mask_size = sizeof(struct libcrypto_key),
	.probe = probe,
	.instance_new = instance_new,
	.instance_free = instance_free,
	.key_init = key_init,
	.key_fini = key_fini,
	.mask_init = mask_init,
	.mask_fini = key_fini,
	.seal = seal,
	.open = open_items,
	.masks = masks,
};
