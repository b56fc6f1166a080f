/* SPDX-License-Identifier: BSD-2-Clause */
/* The engine: AEAD and header protection by libcrypto. */
#include <openssl/evp.h>
#include <string.h>

#include "example.h"

static const EVP_CIPHER *aead_of(enum inlay_cipher cipher)
{
	switch (cipher) {
	case INLAY_AES_128_GCM:
		return EVP_aes_128_gcm();
	case INLAY_AES_256_GCM:
		return EVP_aes_256_gcm();
	default:
		return EVP_chacha20_poly1305();
	}
}

static const EVP_CIPHER *mask_of(enum inlay_cipher cipher)
{
	switch (cipher) {
	case INLAY_AES_128_GCM:
		return EVP_aes_128_ecb();
	case INLAY_AES_256_GCM:
		return EVP_aes_256_ecb();
	default:
		return EVP_chacha20();
	}
}

int example_seal(enum inlay_cipher cipher, const struct inlay_keys *keys,
		 const __u8 nonce[INLAY_IV], const __u8 *header, size_t header_len,
		 const __u8 *text, size_t len, __u8 *out)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n, ok;

	ok = ctx && EVP_EncryptInit_ex(ctx, aead_of(cipher), NULL, keys->key, nonce) == 1 &&
	     EVP_EncryptUpdate(ctx, NULL, &n, header, (int)header_len) == 1 &&
	     EVP_EncryptUpdate(ctx, out, &n, text, (int)len) == 1 &&
	     EVP_EncryptFinal_ex(ctx, out + n, &n) == 1 &&
	     EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, INLAY_TAG, out + len) == 1;
	EVP_CIPHER_CTX_free(ctx);
	return ok ? 0 : -1;
}

int example_open(enum inlay_cipher cipher, const struct inlay_keys *keys,
		 const __u8 nonce[INLAY_IV], const __u8 *header, size_t header_len, __u8 *text,
		 size_t len, bool check_tag)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n, ok;

	ok = ctx && EVP_DecryptInit_ex(ctx, aead_of(cipher), NULL, keys->key, nonce) == 1 &&
	     EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, INLAY_TAG, text + len) == 1 &&
	     EVP_DecryptUpdate(ctx, NULL, &n, header, (int)header_len) == 1 &&
	     EVP_DecryptUpdate(ctx, text, &n, text, (int)len) == 1 &&
	     (EVP_DecryptFinal_ex(ctx, text + n, &n) == 1 || !check_tag);
	EVP_CIPHER_CTX_free(ctx);
	return ok ? 0 : -1;
}

int example_mask(enum inlay_cipher cipher, const __u8 *hp, const __u8 sample[INLAY_SAMPLE],
		 __u8 mask[INLAY_SAMPLE])
{
	static const __u8 zeros[INLAY_SAMPLE];
	/* ChaCha20: counter and nonce are the sample. AES: the block to encrypt is. */
	bool chacha = cipher == INLAY_CHACHA20_POLY1305;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n, ok;

	ok = ctx &&
	     EVP_EncryptInit_ex(ctx, mask_of(cipher), NULL, hp, chacha ? sample : NULL) == 1 &&
	     EVP_EncryptUpdate(ctx, mask, &n, chacha ? zeros : sample, INLAY_SAMPLE) == 1;
	EVP_CIPHER_CTX_free(ctx);
	return ok ? 0 : -1;
}
