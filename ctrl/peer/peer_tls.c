/* SPDX-License-Identifier: BSD-2-Clause */
/* The TLS side of a peer: credentials, session, and why a certificate was refused. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <gnutls/x509.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>

#include "peer_impl.h"

#define ALL_CIPHERS "+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305"

static int load_own_certificate(struct inlay_peer_tls *tls, const struct inlay_peer_config *config)
{
	int rv;

	if (!config->cert_file || !config->key_file)
		return -EINVAL;
	rv = gnutls_certificate_set_x509_key_file(tls->credentials, config->cert_file,
						  config->key_file, GNUTLS_X509_FMT_PEM);
	if (rv == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
		return -EKEYREJECTED;
	return rv < 0 ? -ENOENT : 0;
}

static int load_trust(struct inlay_peer_tls *tls, const struct inlay_peer_config *config)
{
	if (config->insecure)
		return 0;
	if (!config->ca_file)
		/* Where the system has no trust store, the certificate is refused later, by name.
		 */
		return gnutls_certificate_set_x509_system_trust(tls->credentials), 0;
	if (gnutls_certificate_set_x509_trust_file(tls->credentials, config->ca_file,
						   GNUTLS_X509_FMT_PEM) <= 0)
		return -ENOENT;
	return 0;
}

static bool copy_string(char *dst, size_t room, const char *src)
{
	return snprintf(dst, room, "%s", src ? src : "") < (int)room;
}

int inlay_peer_tls_init(struct inlay_peer_tls *tls, const struct inlay_peer_config *config)
{
	int len;

	if (!copy_string(tls->alpn, sizeof(tls->alpn), config->alpn ? config->alpn : "moqt-18") ||
	    !copy_string(tls->server_name, sizeof(tls->server_name), config->server_name))
		return -EINVAL;
	/* RFC 9001 section 4.2: TLS 1.3 at least; section 8.4: no compatibility mode. */
	len = snprintf(tls->priority, sizeof(tls->priority),
		       "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:%s:%%DISABLE_TLS13_COMPAT_MODE",
		       config->ciphers ? config->ciphers : ALL_CIPHERS);
	if (len < 0 || (size_t)len >= sizeof(tls->priority))
		return -EINVAL;
	tls->insecure = config->insecure;
	if (gnutls_certificate_allocate_credentials(&tls->credentials) < 0)
		return -ENOMEM;
	return config->role == INLAY_SERVER ? load_own_certificate(tls, config)
					    : load_trust(tls, config);
}

static ngtcp2_conn *conn_of_ref(ngtcp2_crypto_conn_ref *ref)
{
	struct inlay_peer *p = ref->user_data;

	return p->conn;
}

static bool is_ip_address(const char *name)
{
	__u8 ignored[16];

	return inet_pton(AF_INET, name, ignored) == 1 || inet_pton(AF_INET6, name, ignored) == 1;
}

static int set_up_client(struct inlay_peer_tls *tls)
{
	const char *name = tls->server_name[0] ? tls->server_name : NULL;

	if (ngtcp2_crypto_gnutls_configure_client_session(tls->session))
		return -ENOMEM;
	/* RFC 6066 section 3: no addresses in server_name. */
	if (name && !is_ip_address(name) &&
	    gnutls_server_name_set(tls->session, GNUTLS_NAME_DNS, name, strlen(name)) < 0)
		return -EINVAL;
	if (!tls->insecure)
		gnutls_session_set_verify_cert(tls->session, name, 0);
	return 0;
}

int inlay_peer_tls_start(struct inlay_peer *p)
{
	struct inlay_peer_tls *tls = &p->tls;
	bool server = p->config.role == INLAY_SERVER;
	gnutls_datum_t alpn = {(unsigned char *)tls->alpn, (unsigned int)strlen(tls->alpn)};
	unsigned int flags = GNUTLS_NO_TICKETS | GNUTLS_NO_END_OF_EARLY_DATA | GNUTLS_NONBLOCK;
	int rv;

	if (gnutls_init(&tls->session, flags | (server ? GNUTLS_SERVER : GNUTLS_CLIENT)) < 0)
		return -ENOMEM;
	if (gnutls_priority_set_direct(tls->session, tls->priority, NULL) < 0)
		return -EINVAL;
	if (server)
		rv = ngtcp2_crypto_gnutls_configure_server_session(tls->session) ? -ENOMEM : 0;
	else
		rv = set_up_client(tls);
	if (rv)
		return rv;
	tls->ref.get_conn = conn_of_ref;
	tls->ref.user_data = p;
	gnutls_session_set_ptr(tls->session, &tls->ref);
	if (gnutls_credentials_set(tls->session, GNUTLS_CRD_CERTIFICATE, tls->credentials) < 0 ||
	    gnutls_alpn_set_protocols(tls->session, &alpn, 1, GNUTLS_ALPN_MANDATORY) < 0)
		return -ENOMEM;
	ngtcp2_conn_set_tls_native_handle(p->conn, tls->session);
	return 0;
}

/* Called after a handshake failed: keeps what GnuTLS knows about the other end's certificate. */
void inlay_peer_tls_note_failure(struct inlay_peer_tls *tls)
{
	gnutls_datum_t text = {0};
	unsigned int status;

	if (!tls->session || tls->insecure)
		return;
	status = gnutls_session_get_verify_cert_status(tls->session);
	if (!status || status == (unsigned int)-1)
		return;
	if (gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0) < 0)
		return;
	copy_string(tls->refused, sizeof(tls->refused), (const char *)text.data);
	gnutls_free(text.data);
}

void inlay_peer_tls_fini(struct inlay_peer_tls *tls)
{
	if (tls->session)
		gnutls_deinit(tls->session);
	if (tls->credentials)
		gnutls_certificate_free_credentials(tls->credentials);
	tls->session = NULL;
	tls->credentials = NULL;
}
