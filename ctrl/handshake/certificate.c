/* SPDX-License-Identifier: BSD-2-Clause */
/* Loading, making and writing certificates. Keys are zeroed by GnuTLS when it frees them. */
#include "certificate.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <gnutls/crypto.h>

#define PEM_MAX (1U << 20) /* bytes of a PEM file */

/* Browsers take a self-signed certificate by its hash only if it is ECDSA and valid for two weeks
 * at most; a throw-away one has no reason to live longer. */
#define SELF_SIGNED_SECONDS (13 * 24 * 3600)
#define CLOCK_SLACK_SECONDS 3600

int inlay_error(struct inlay_error_text *e, int err, const char *format, ...)
{
	va_list args;

	if (e && e->room) {
		va_start(args, format);
		vsnprintf(e->text, e->room, format, args);
		va_end(args);
	}
	return err;
}

static int read_all(int fd, const char *path, unsigned char **ret, size_t *ret_len,
		    struct inlay_error_text *e)
{
	size_t len = 0;
	struct stat st;
	unsigned char *data;
	ssize_t n;

	if (fstat(fd, &st))
		return inlay_error(e, -errno, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode))
		return inlay_error(e, -EINVAL, "%s: not a file", path);
	data = malloc(PEM_MAX);
	if (!data)
		return inlay_error(e, -ENOMEM, "%s: out of memory", path);
	while (len < PEM_MAX) {
		n = read(fd, data + len, PEM_MAX - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	if (len == PEM_MAX || n < 0) {
		int err = n < 0 ? -errno : -EFBIG;

		gnutls_memset(data, 0, len);
		free(data);
		return inlay_error(e, err, "%s: %s", path, strerror(-err));
	}
	*ret = data;
	*ret_len = len;
	return 0;
}

static int read_file(const char *path, gnutls_datum_t *ret, struct inlay_error_text *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	int err;

	if (fd < 0)
		return inlay_error(e, -errno, "%s: cannot be read: %s", path, strerror(errno));
	err = read_all(fd, path, &ret->data, &len, e);
	close(fd);
	if (!err)
		ret->size = (unsigned int)len;
	return err;
}

static void free_file(gnutls_datum_t *file)
{
	if (file->data)
		gnutls_memset(file->data, 0, file->size);
	free(file->data);
	file->data = NULL;
}

static int load_chain(struct inlay_certificate *cert, const char *path, struct inlay_error_text *e)
{
	gnutls_datum_t pem = {0};
	unsigned int n = INLAY_CHAIN_MAX;
	int rv;
	int err = read_file(path, &pem, e);

	if (err)
		return err;
	rv = gnutls_x509_crt_list_import(cert->chain, &n, &pem, GNUTLS_X509_FMT_PEM,
					 GNUTLS_X509_CRT_LIST_IMPORT_FAIL_IF_EXCEED);
	free_file(&pem);
	if (rv < 0)
		return inlay_error(e, -EBADMSG, "%s: no PEM certificate: %s", path,
				   gnutls_strerror(rv));
	cert->n_chain = n;
	return 0;
}

static int load_key(struct inlay_certificate *cert, const char *path, struct inlay_error_text *e)
{
	gnutls_datum_t pem = {0};
	int rv;
	int err = read_file(path, &pem, e);

	if (err)
		return err;
	rv = gnutls_x509_privkey_init(&cert->key);
	if (rv == 0)
		rv = gnutls_x509_privkey_import2(cert->key, &pem, GNUTLS_X509_FMT_PEM, NULL,
						 GNUTLS_PKCS_PLAIN);
	free_file(&pem);
	if (rv == GNUTLS_E_DECRYPTION_FAILED)
		return inlay_error(e, -EBADMSG,
				   "%s: the private key is encrypted; give it in the clear", path);
	if (rv < 0)
		return inlay_error(e, -EBADMSG, "%s: no PEM private key: %s", path,
				   gnutls_strerror(rv));
	return 0;
}

static int check_match(const struct inlay_certificate *cert, const char *cert_file,
		       const char *key_file, struct inlay_error_text *e)
{
	unsigned char of_cert[64], of_key[64];
	size_t cert_len = sizeof(of_cert), key_len = sizeof(of_key);

	if (gnutls_x509_crt_get_key_id(cert->chain[0], GNUTLS_KEYID_USE_SHA256, of_cert,
				       &cert_len) < 0 ||
	    gnutls_x509_privkey_get_key_id(cert->key, GNUTLS_KEYID_USE_SHA256, of_key, &key_len) <
		    0)
		return inlay_error(e, -EBADMSG, "%s: unknown kind of public key", cert_file);
	if (cert_len != key_len || memcmp(of_cert, of_key, key_len))
		return inlay_error(e, -EBADMSG, "%s: the key does not match the certificate %s",
				   key_file, cert_file);
	return 0;
}

static int check_time(const struct inlay_certificate *cert, const char *path,
		      struct inlay_error_text *e)
{
	time_t now = time(NULL);
	time_t begin = gnutls_x509_crt_get_activation_time(cert->chain[0]);
	time_t end = gnutls_x509_crt_get_expiration_time(cert->chain[0]);
	const char *what = now > end ? "expired on" : "is not valid before";
	time_t when = now > end ? end : begin;
	char text[32] = "?";
	struct tm tm;

	if (now >= begin && now <= end)
		return 0;
	if (gmtime_r(&when, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &tm);
	return inlay_error(e, -ETIME, "%s: the certificate %s %s", path, what, text);
}

int inlay_certificate_load(struct inlay_certificate *cert, const char *cert_file,
			   const char *key_file, bool allow_expired, struct inlay_error_text *e)
{
	int err;

	memset(cert, 0, sizeof(*cert));
	err = load_chain(cert, cert_file, e);
	if (!err)
		err = load_key(cert, key_file, e);
	if (!err)
		err = check_match(cert, cert_file, key_file, e);
	if (!err && !allow_expired)
		err = check_time(cert, cert_file, e);
	if (err)
		inlay_certificate_fini(cert);
	return err;
}

/* A subject alternative name; an address where |name| is one. */
static int add_name(gnutls_x509_crt_t crt, const char *name)
{
	unsigned char ip[16];

	if (inet_pton(AF_INET, name, ip) == 1)
		return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, ip, 4,
							    GNUTLS_FSAN_APPEND);
	if (inet_pton(AF_INET6, name, ip) == 1)
		return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, ip, 16,
							    GNUTLS_FSAN_APPEND);
	return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, name,
						    (unsigned int)strlen(name), GNUTLS_FSAN_APPEND);
}

static int add_names(gnutls_x509_crt_t crt, const char *name)
{
	const char *const names[] = {"localhost", "127.0.0.1", "::1", name};
	int rv = 0;

	for (size_t i = 0; i < INLAY_ARRAY_SIZE(names) && rv >= 0; i++)
		if (names[i])
			rv = add_name(crt, names[i]);
	return rv;
}

static int fill_self_signed(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, const char *name,
			    __s64 not_before, __s64 not_after)
{
	unsigned char serial[16];
	int rv = gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof(serial));

	serial[0] &= 0x7f; /* RFC 5280 section 4.1.2.2: positive */
	if (rv >= 0)
		rv = gnutls_x509_crt_set_version(crt, 3);
	if (rv >= 0)
		rv = gnutls_x509_crt_set_serial(crt, serial, sizeof(serial));
	if (rv >= 0)
		rv = gnutls_x509_crt_set_dn(crt, "CN=inlay throw-away certificate", NULL);
	if (rv >= 0)
		rv = add_names(crt, name);
	if (rv >= 0)
		rv = gnutls_x509_crt_set_activation_time(crt, (time_t)not_before);
	if (rv >= 0)
		rv = gnutls_x509_crt_set_expiration_time(crt, (time_t)not_after);
	if (rv >= 0)
		rv = gnutls_x509_crt_set_key(crt, key);
	/* A CA, so that the file alone serves a client as its list of trusted authorities. */
	if (rv >= 0)
		rv = gnutls_x509_crt_set_basic_constraints(crt, 1, 0);
	if (rv >= 0)
		rv = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE |
								GNUTLS_KEY_KEY_CERT_SIGN);
	if (rv >= 0)
		rv = gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0);
	return rv;
}

int inlay_certificate_self_signed(struct inlay_certificate *cert, const char *name,
				  __s64 not_before, __s64 not_after, struct inlay_error_text *e)
{
	int rv;

	if (!not_before)
		not_before = time(NULL) - CLOCK_SLACK_SECONDS;
	if (!not_after)
		not_after = not_before + SELF_SIGNED_SECONDS;
	memset(cert, 0, sizeof(*cert));
	rv = gnutls_x509_privkey_init(&cert->key);
	if (rv >= 0)
		rv = gnutls_x509_privkey_generate(cert->key, GNUTLS_PK_ECDSA,
						  GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1),
						  0);
	if (rv >= 0)
		rv = gnutls_x509_crt_init(&cert->chain[0]);
	if (rv >= 0) {
		cert->n_chain = 1;
		rv = fill_self_signed(cert->chain[0], cert->key, name, not_before, not_after);
	}
	if (rv >= 0)
		return 0;
	inlay_certificate_fini(cert);
	return inlay_error(e, rv == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EIO,
			   "making a throw-away certificate: %s", gnutls_strerror(rv));
}

void inlay_certificate_fini(struct inlay_certificate *cert)
{
	for (unsigned int i = 0; i < cert->n_chain; i++)
		gnutls_x509_crt_deinit(cert->chain[i]);
	if (cert->key)
		gnutls_x509_privkey_deinit(cert->key);
	memset(cert, 0, sizeof(*cert));
}

static int write_file(const char *path, const gnutls_datum_t *data, mode_t mode)
{
	size_t done = 0;
	int err = 0;
	int fd;

	/* A key must never appear under a file's older, wider permissions. */
	if (unlink(path) && errno != ENOENT)
		return -errno;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		return -errno;
	while (done < data->size && !err) {
		ssize_t n = write(fd, data->data + done, data->size - done);

		if (n >= 0)
			done += (size_t)n;
		else if (errno != EINTR)
			err = -errno;
	}
	if (close(fd) && !err)
		err = -errno;
	return err;
}

int inlay_certificate_write_pem(const struct inlay_certificate *cert, const char *cert_path,
				const char *key_path)
{
	gnutls_datum_t pem = {0};
	int err;

	if (gnutls_x509_crt_export2(cert->chain[0], GNUTLS_X509_FMT_PEM, &pem) < 0)
		return -EIO;
	err = write_file(cert_path, &pem, 0644);
	gnutls_free(pem.data);
	if (err || !key_path)
		return err;
	pem.data = NULL;
	if (gnutls_x509_privkey_export2_pkcs8(cert->key, GNUTLS_X509_FMT_PEM, NULL,
					      GNUTLS_PKCS_PLAIN, &pem) < 0)
		return -EIO;
	err = write_file(key_path, &pem, 0600);
	gnutls_memset(pem.data, 0, pem.size);
	gnutls_free(pem.data);
	return err;
}
