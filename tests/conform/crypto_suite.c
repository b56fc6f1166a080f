/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of provider cases as a suite: each case with each cipher. */
#include <string.h>

#include "conform.h"
#include "provider_cases.h"

#define NEED_CIPHER(cipher) (1U << (16 + (cipher)))

static const enum inlay_cipher ciphers[] = {
	INLAY_AES_128_GCM,
	INLAY_AES_256_GCM,
	INLAY_CHACHA20_POLY1305,
};
static const char *const cipher_names[] = {"aes_128_gcm", "aes_256_gcm", "chacha20_poly1305"};

static const char *lacks_threads(const struct conform_target *target)
{
	return target->crypto->features & INLAY_CASE_THREADS
		       ? NULL
		       : "the device serves one thread at a time";
}

static const char *lacks_aes_128(const struct conform_target *target)
{
	return target->ciphers & 1U << INLAY_AES_128_GCM ? NULL : "the device has no AES-128-GCM";
}

static const char *lacks_aes_256(const struct conform_target *target)
{
	return target->ciphers & 1U << INLAY_AES_256_GCM ? NULL : "the device has no AES-256-GCM";
}

static const char *lacks_chacha(const struct conform_target *target)
{
	return target->ciphers & 1U << INLAY_CHACHA20_POLY1305
		       ? NULL
		       : "the device has no ChaCha20-Poly1305";
}

static const struct conform_need needs[] = {
	{INLAY_CASE_THREADS, "threads", lacks_threads},
	{NEED_CIPHER(INLAY_AES_128_GCM), "AES-128-GCM", lacks_aes_128},
	{NEED_CIPHER(INLAY_AES_256_GCM), "AES-256-GCM", lacks_aes_256},
	{NEED_CIPHER(INLAY_CHACHA20_POLY1305), "ChaCha20-Poly1305", lacks_chacha},
};

static bool applies(const struct conform_target *target)
{
	return target->kind == CONFORM_LOCAL || target->kind == CONFORM_PLUGIN;
}

static const char *limits(const struct conform_target *target)
{
	return target->kind == CONFORM_LOCAL ? "the provider runs in software, in this process: "
					       "nothing is proved of a NIC"
					     : "packets pass the provider's interface: what the "
					       "wire carries is not looked at";
}

/* 'y' and the ciphers; 'n': no provider. */
static size_t ask_ciphers(void *user, char text[CONFORM_ANSWER])
{
	const struct inlay_conform_device *device = user;
	struct inlay_provider *provider = device->make(device, 1, 1);
	struct inlay_provider_caps caps = {0};

	text[0] = provider ? 'y' : 'n';
	if (!provider)
		return 1;
	provider->ops->caps(provider, &caps);
	provider->ops->free(provider);
	memcpy(text + 1, &caps.ciphers, sizeof(caps.ciphers));
	return 1 + sizeof(caps.ciphers);
}

static int open_device(struct conform_target *target, char why[CONFORM_WHY])
{
	struct inlay_conform_device device = *target->crypto;
	char text[CONFORM_ANSWER];
	size_t len;

	if (!conform_apart(target->seconds, ask_ciphers, &device, text, &len, why))
		return -1;
	if (text[0] != 'y' || len != 1 + sizeof(target->ciphers)) {
		snprintf(why, CONFORM_WHY, "%s makes no provider", target->crypto->name);
		return -1;
	}
	memcpy(&target->ciphers, text + 1, sizeof(target->ciphers));
	return 0;
}

static size_t count(void)
{
	return inlay_provider_n_cases * INLAY_ARRAY_SIZE(ciphers);
}

static void describe(size_t i, struct conform_case *ret_case)
{
	size_t cipher = i / inlay_provider_n_cases;
	const struct inlay_provider_case *c = &inlay_provider_cases[i % inlay_provider_n_cases];

	snprintf(ret_case->name, sizeof(ret_case->name), "%s/%s", cipher_names[cipher], c->name);
	ret_case->text = c->text;
	ret_case->needs = c->requires | NEED_CIPHER(ciphers[cipher]);
	ret_case->index = i;
}

static int run(struct conform_env *env, const struct conform_case *c)
{
	enum inlay_cipher cipher = ciphers[c->index / inlay_provider_n_cases];
	struct inlay_case_env inner;
	int verdict =
		inlay_provider_case_run(&inlay_provider_cases[c->index % inlay_provider_n_cases],
					env->target->crypto, cipher, &inner);

	env->failed_at = inner.failed_at;
	env->failed_what = inner.failed_what;
	return verdict;
}

const struct conform_suite conform_crypto = {
	.name = "crypto",
	.text = "opening and sealing QUIC 1-RTT packets (RFC 9001)",
	.limits = limits,
	.applies = applies,
	.open = open_device,
	.needs = needs,
	.n_needs = INLAY_ARRAY_SIZE(needs),
	.count = count,
	.describe = describe,
	.run = run,
};
