/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ciphers themselves, behind one interface: a backend takes a batch of items, each with a key
 * of its own, and seals or opens all of them. Two backends: libcrypto (everywhere) and ipsec-mb
 * (Intel's library, x86). Both yield the same bytes.
 *
 * An instance is used by one thread at a time. Key contexts live in memory that the caller gives,
 * so that they can be locked and zeroed: they hold expanded keys.
 */
#ifndef INLAY_DATAPLANE_AEAD_H
#define INLAY_DATAPLANE_AEAD_H

#include "cipher.h"

/* Most items a backend is given in one call. */
#define INLAY_AEAD_BURST 32

/* Alignment that key contexts need. */
#define INLAY_AEAD_ALIGN 64

/*
 * One packet's AEAD. |in| is |out|, or the two do not overlap. Sealing: items of one call may share
 * |in| but for the first |prefix_len| bytes: those of |prefix| are written there right before the
 * item is sealed, so that |in| is then the caller's to write. (Measured with ipsec-mb, 1200 bytes:
 * that costs nothing beside sealing; a copy of the payload behind each prefix 17 ns; to seal in two
 * pieces 37.)
 */
struct inlay_aead_item {
	const void *key; /* context made by key_init() */
	const __u8 *aad;
	const __u8 *in;
	__u8 *out; /* |len| bytes */
	__u8 *tag; /* INLAY_TAG bytes: written by seal, read by open */
	__u32 len;
	__u16 aad_len;
	__u16 prefix_len; /* sealing; 0: none */
	const __u8 *prefix;
	bool ok; /* out */
	__u8 nonce[INLAY_IV];
};

/* For backends: the item's plaintext is whole afterwards. */
static inline void inlay_aead_put_prefix(const struct inlay_aead_item *item)
{
	if (item->prefix_len)
		__builtin_memcpy((__u8 *)(size_t)item->in, item->prefix, item->prefix_len);
}

/* One packet's header protection mask: RFC 9001 section 5.4. */
struct inlay_mask_item {
	const void *key;    /* context made by mask_init() */
	const __u8 *sample; /* INLAY_SAMPLE bytes */
	__u8 mask[16];	    /* out: the first 5 bytes count */
};

struct inlay_aead_backend {
	const char *name;
	size_t key_size; /* bytes of a context of any cipher */
	size_t mask_size;

	/* 0; -ENOTSUP: not built in, or not for this CPU. */
	int (*probe)(void);
	/* NULL: no memory. */
	void *(*instance_new)(void);
	void (*instance_free)(void *instance);

	/* |bytes| is copied. |seal|: for sealing, or else for opening. 0; -ENOMEM; -ENOTSUP. */
	int (*key_init)(void *instance, void *key, enum inlay_cipher cipher, bool seal,
			const __u8 *bytes);
	/* Zeroes. */
	void (*key_fini)(void *instance, void *key);
	int (*mask_init)(void *instance, void *key, enum inlay_cipher cipher, const __u8 *bytes);
	void (*mask_fini)(void *instance, void *key);

	/* At most INLAY_AEAD_BURST items, of any ciphers. */
	void (*seal)(void *instance, struct inlay_aead_item *items, size_t n);
	/* |out| holds rubbish where the item is not ok: the caller wipes it. */
	void (*open)(void *instance, struct inlay_aead_item *items, size_t n);
	void (*masks)(void *instance, struct inlay_mask_item *items, size_t n);
};

extern const struct inlay_aead_backend inlay_aead_libcrypto;
extern const struct inlay_aead_backend inlay_aead_ipsec_mb;

struct inlay_aead {
	const struct inlay_aead_backend *backend;
	void *instance;
};

/*
 * Opens a backend by name, or (NULL or "auto") the fastest that passes its probe and its self-test.
 * 0; -ENOENT: no such name; -ENOTSUP: not available here; -EBADMSG: the self-test failed; -ENOMEM.
 */
int inlay_aead_init(struct inlay_aead *aead, const char *name);
void inlay_aead_fini(struct inlay_aead *aead);
/* Known answers of every cipher. 0; -EBADMSG; -ENOMEM. */
int inlay_aead_self_test(struct inlay_aead *aead);

#endif
