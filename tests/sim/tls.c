/* SPDX-License-Identifier: BSD-2-Clause */
/* What all runs share: a certificate, TLS contexts, two providers, a key store. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keystore.h"
#include "provider_local.h"
#include "sim.h"

#define N_CIPHERS (INLAY_CHACHA20_POLY1305 + 1)

struct sim_tls {
	char dir[32], cert[64], key[64];
	struct inlay_tls *server[N_CIPHERS], *client[N_CIPHERS];
	struct inlay_provider *provider[2]; /* the clients', the relay's */
	struct inlay_provider_ops ops[2];
	struct inlay_keystore *keystore;
};

static int write_certificate(struct sim_tls *t)
{
	static const char *const alpn[] = {"moqt-18"};
	struct inlay_tls_config config = {
		.role = INLAY_SERVER, .self_signed = true, .alpn = alpn, .n_alpn = 1};
	struct inlay_tls *tls;
	char text[256];
	int rv;

	strcpy(t->dir, "/tmp/inlay-sim-XXXXXX");
	if (!mkdtemp(t->dir))
		return -1;
	strcat(strcpy(t->cert, t->dir), "/cert.pem");
	strcat(strcpy(t->key, t->dir), "/key.pem");
	rv = inlay_tls_new(&config, text, sizeof(text), &tls);
	if (rv)
		return rv;
	rv = inlay_tls_write_pem(tls, t->cert, t->key);
	inlay_tls_free(tls);
	return rv;
}

static int make(struct sim_tls *t, enum inlay_role role, enum inlay_cipher cipher,
		struct inlay_tls **ret)
{
	static const char *const alpn[] = {"moqt-18"};
	struct inlay_tls_config config = {
		.role = role,
		.cert_file = t->cert,
		.key_file = t->key,
		.ca_file = t->cert,
		.ciphers = &cipher,
		.n_ciphers = 1,
		.alpn = alpn,
		.n_alpn = 1,
	};
	char text[256];

	return inlay_tls_new(&config, text, sizeof(text), ret);
}

int sim_tls_new(struct sim_tls **ret)
{
	static const struct inlay_provider_local_config config = {.max_sa = SIM_SAS,
								  .max_cids = 8 * SIM_SAS};
	struct sim_tls *t = calloc(1, sizeof(*t));
	int rv;

	if (!t)
		return -1;
	rv = write_certificate(t);
	for (int i = INLAY_AES_128_GCM; i < N_CIPHERS && !rv; i++)
		rv = make(t, INLAY_SERVER, (enum inlay_cipher)i, &t->server[i]) ||
		     make(t, INLAY_CLIENT, (enum inlay_cipher)i, &t->client[i]);
	for (int i = 0; i < 2 && !rv; i++) {
		t->provider[i] = inlay_provider_local_new(&config);
		rv = t->provider[i] ? 0 : -1;
		if (!rv)
			sim_node_hook(t->provider[i], &t->ops[i]);
	}
	t->keystore = inlay_keystore_new(2 * SIM_SAS);
	if (rv || !t->keystore) {
		sim_tls_free(t);
		return -1;
	}
	*ret = t;
	return 0;
}

void sim_tls_free(struct sim_tls *t)
{
	for (int i = 0; i < N_CIPHERS; i++) {
		inlay_tls_free(t->server[i]);
		inlay_tls_free(t->client[i]);
	}
	for (int i = 0; i < 2; i++)
		if (t->provider[i])
			t->provider[i]->ops->free(t->provider[i]);
	inlay_keystore_free(t->keystore);
	unlink(t->cert);
	unlink(t->key);
	rmdir(t->dir);
	free(t);
}

struct inlay_tls *sim_tls_server(struct sim_tls *t, enum inlay_cipher cipher)
{
	return t->server[cipher];
}

struct inlay_tls *sim_tls_client(struct sim_tls *t, enum inlay_cipher cipher)
{
	return t->client[cipher];
}

const char *sim_tls_ca(struct sim_tls *t)
{
	return t->cert;
}

struct inlay_provider *sim_tls_provider(struct sim_tls *t, bool relay)
{
	return t->provider[relay];
}

struct inlay_keystore *sim_tls_keystore(struct sim_tls *t)
{
	return t->keystore;
}
