/* SPDX-License-Identifier: BSD-2-Clause */
/* What a host does when it is tried: sockets on loopback, locked memory, certificates. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <sys/un.h>
#include <unistd.h>

#include "addr.h"
#include "doctor_probes.h"
#include "keystore.h"
#include "tls.h"

#define OK    INLAY_DOCTOR_OK
#define NOTE  INLAY_DOCTOR_NOTE
#define LACKS INLAY_DOCTOR_LACKS

/* ---- sockets ---- */

static int try_option(int level, int name, int value)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), rv;

	if (fd < 0)
		return -errno;
	rv = setsockopt(fd, level, name, &value, sizeof(value)) ? -errno : 0;
	close(fd);
	return rv;
}

static int try_gro(void)
{
	return try_option(SOL_UDP, UDP_GRO, 1);
}

static int try_drop_counter(void)
{
	return try_option(SOL_SOCKET, SO_RXQ_OVFL, 1);
}

static int try_no_fragments(void)
{
	return try_option(IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
}

static int try_ecn(void)
{
	int rv = try_option(IPPROTO_IP, IP_RECVTOS, 1);

	return rv ? rv : try_option(IPPROTO_IP, IP_TOS, 2); /* ECT(0) */
}

/* A socket bound to a port of loopback, and its name. */
static int loopback_socket(struct sockaddr_in *ret_name)
{
	socklen_t len = sizeof(*ret_name);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	*ret_name = (struct sockaddr_in){.sin_family = AF_INET,
					 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (fd >= 0 && (bind(fd, (struct sockaddr *)ret_name, len) ||
			getsockname(fd, (struct sockaddr *)ret_name, &len))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Two segments in one message come as two datagrams. */
static int try_gso(void)
{
	struct sockaddr_in name;
	char bytes[200] = {0};
	int fd = loopback_socket(&name), segment = 100, rv = 0, i;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment)) ||
	    sendto(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&name, sizeof(name)) < 0)
		rv = -errno;
	for (i = 0; !rv && i < 2; i++)
		if (recv(fd, bytes, sizeof(bytes), 0) != segment)
			rv = -EIO;
	close(fd);
	return rv;
}

static int try_bind(const struct inlay_addr *addr)
{
	struct sockaddr_storage name;
	socklen_t len = inlay_addr_to_sockaddr(addr, &name);
	int fd = socket(addr->family, SOCK_DGRAM | SOCK_CLOEXEC, 0), only6 = 1, rv;

	if (fd < 0)
		return -errno;
	if (addr->family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only6, sizeof(only6));
	rv = bind(fd, (struct sockaddr *)&name, len) ? -errno : 0;
	close(fd);
	return rv;
}

static int try_answers(const char *path)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd, rv;

	if (strlen(path) >= sizeof(name.sun_path))
		return -ENAMETOOLONG;
	memcpy(name.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	rv = connect(fd, (struct sockaddr *)&name, sizeof(name)) ? -errno : 0;
	close(fd);
	return rv;
}

/* ---- keys ---- */

#define SAMPLE 256 /* connections that are made to see what one takes */

static __u64 locked_bytes(void)
{
	const struct inlay_doctor self = {.root = ""};
	char text[64] = "";

	inlay_doctor_field(&self, "/proc/self/status", "VmLck", text, sizeof(text));
	return strtoull(text, NULL, 10) << 10;
}

/* One connection's keys, as the daemon plumbs them. AES-256-GCM: the largest. */
static int plumb(struct inlay_keystore *ks, struct inlay_provider *p, __u32 number)
{
	const __u8 secret[48] = {1};
	struct inlay_cid cid = {.len = INLAY_OWN_CID};
	struct inlay_sa_params params = {.cids = &cid, .n_cids = 1};
	struct inlay_sa_ref sa;
	inlay_secret s;
	int dir, rv;

	memcpy(cid.data, &number, sizeof(number));
	params.path.local.family = params.path.remote.family = AF_INET;
	rv = inlay_keystore_add(ks, INLAY_AES_256_GCM, &s);
	for (dir = 0; !rv && dir < 2; dir++) {
		params.direction = dir ? INLAY_TX : INLAY_RX;
		rv = inlay_keystore_set(ks, s, params.direction, INLAY_AES_256_GCM, secret,
					sizeof(secret));
		if (!rv)
			rv = inlay_keystore_plumb(ks, s, p, &params, &sa);
	}
	return rv;
}

static int fill(const struct inlay_config *config, struct inlay_keystore *ks,
		struct inlay_provider *p, struct inlay_doctor_keys *ret)
{
	__u64 connections = (__u64)config->max_connections, before = locked_bytes();
	__u32 n = connections < SAMPLE ? (__u32)connections : SAMPLE, i;
	int rv = 0;

	snprintf(ret->backend, sizeof(ret->backend), "%s", inlay_provider_local_backend(p));
	for (i = 0; !rv && i < n; i++)
		rv = plumb(ks, p, i);
	ret->locked_bytes = before + (locked_bytes() - before) * connections / n;
	return rv;
}

static int try_keys(const struct inlay_config *config, struct inlay_doctor_keys *ret)
{
	const struct inlay_provider_local_config local = inlay_config_provider(config);
	struct inlay_keystore *ks;
	struct inlay_provider *p;
	struct rlimit limit;
	int rv;

	/* As the daemon does. */
	if (!getrlimit(RLIMIT_MEMLOCK, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_MEMLOCK, &limit);
	}
	ks = inlay_keystore_new((size_t)config->max_connections);
	if (!ks)
		return -errno;
	p = inlay_provider_local_new(&local);
	rv = p ? fill(config, ks, p, ret) : -errno;
	if (p)
		p->ops->free(p);
	inlay_keystore_free(ks);
	return rv;
}

static int try_certificate(const struct inlay_config *config, char *err, size_t room)
{
	static const char *const alpn[] = {INLAY_ALPN};
	const struct inlay_tls_config tls = {
		.role = INLAY_SERVER,
		.cert_file = config->certificate,
		.key_file = config->key,
		.ciphers = config->ciphers,
		.n_ciphers = config->n_ciphers,
		.alpn = alpn,
		.n_alpn = 1,
	};
	struct inlay_tls *made;
	int rv = inlay_tls_new(&tls, err, room, &made);

	if (!rv)
		inlay_tls_free(made);
	return rv;
}

/* ---- time and chance ---- */

static int try_random(void)
{
	__u8 byte;

	return getrandom(&byte, 1, GRND_NONBLOCK) == 1 ? 0 : -errno;
}

static int try_clock_synchronised(void)
{
	struct timex t = {0};
	int state = adjtimex(&t);

	if (state < 0)
		return -errno;
	return state == TIME_ERROR || t.status & STA_UNSYNC ? -ESTALE : 0;
}

const struct inlay_doctor_tries inlay_doctor_real_tries = {
	.gso = try_gso,
	.gro = try_gro,
	.drop_counter = try_drop_counter,
	.no_fragments = try_no_fragments,
	.ecn = try_ecn,
	.random = try_random,
	.clock_synchronised = try_clock_synchronised,
	.keys = try_keys,
	.bind = try_bind,
	.answers = try_answers,
	.certificate = try_certificate,
};

/* ---- probes ---- */

static void tried(struct inlay_doctor_finding *f, int rv, enum inlay_doctor_state otherwise)
{
	if (rv)
		inlay_found(f, otherwise, "%s", strerror(-rv));
	else
		inlay_found(f, OK, "works");
}

void inlay_probe_gso(struct inlay_doctor *d, struct inlay_doctor_finding *f)
{
	tried(f, d->tries->gso(), NOTE);
}

void inlay_probe_gro(struct inlay_doctor *d, struct inlay_doctor_finding *f)
{
	tried(f, d->tries->gro(), NOTE);
}

void inlay_probe_drop_counter(struct inlay_doctor *d, struct inlay_doctor_finding *f)
{
	tried(f, d->tries->drop_counter(), LACKS);
}

void inlay_probe_no_fragments(struct inlay_doctor *d, struct inlay_doctor_finding *f)
{
	tried(f, d->tries->no_fragments(), LACKS);
}

void inlay_probe_ecn(struct inlay_doctor *d, struct inlay_doctor_finding *f)
{
	tried(f, d->tries->ecn(), LACKS);
}

void inlay_probe_random(struct inlay_doctor *d, struct inlay_doctor_finding *f)
{
	int rv = d->tries->random();

	if (rv)
		inlay_found(f, LACKS, "not ready: %s", strerror(-rv));
	else
		inlay_found(f, OK, "ready");
}

void inlay_probe_time(struct inlay_doctor *d, struct inlay_doctor_finding *f)
{
	int rv = d->tries->clock_synchronised();

	if (!rv)
		inlay_found(f, OK, "synchronised");
	else if (rv == -ESTALE)
		inlay_found(f, NOTE, "not synchronised, says the kernel");
	else
		inlay_found(f, NOTE, "the kernel does not tell: %s", strerror(-rv));
}

void inlay_probe_configuration(struct inlay_doctor *d, struct inlay_doctor_finding *f)
{
	if (!d->config_file)
		inlay_found(f, OK, "none named: the defaults are judged");
	else if (d->config_error)
		inlay_found(f, LACKS, "%s", d->config_error);
	else
		inlay_found(f, OK, "%s", d->config_file);
}

/* False, and said so: it is not known which files are meant. */
static bool judged_with_files(const struct inlay_doctor *d, struct inlay_doctor_finding *f)
{
	if (d->config_file && !d->config_error)
		return true;
	if (d->config_error) {
		inlay_found(f, NOTE, "not looked at");
		inlay_fix(f, "correct the configuration first");
	} else {
		inlay_found(f, OK, "not looked at without --config");
	}
	return false;
}

void inlay_probe_certificate(struct inlay_doctor *d, struct inlay_doctor_finding *f)
{
	char err[INLAY_DOCTOR_TEXT] = "";

	if (!judged_with_files(d, f))
		return;
	if (d->tries->certificate(&d->config, err, sizeof(err)))
		inlay_found(f, LACKS, "%s", err);
	else
		inlay_found(f, OK, "%s fits its key, and is valid now", d->config.certificate);
}

void inlay_probe_key_file(struct inlay_doctor *d, struct inlay_doctor_finding *f)
{
	struct stat st;

	if (!judged_with_files(d, f))
		return;
	inlay_fix(f, "chmod 600 %s", d->config.key);
	if (stat(d->config.key, &st)) {
		inlay_found(f, LACKS, "%s: %s", d->config.key, strerror(errno));
		inlay_fix(f, "put the certificate's key there");
	} else if (st.st_mode & (S_IRWXO | S_IWGRP)) {
		inlay_found(f, LACKS, "%s: mode %03o, others may use it", d->config.key,
			    st.st_mode & 0777U);
	} else {
		inlay_found(f, OK, "%s: mode %03o", d->config.key, st.st_mode & 0777U);
	}
}

void inlay_probe_qlog_directory(struct inlay_doctor *d, struct inlay_doctor_finding *f)
{
	const char *path = d->config.qlog.directory;
	struct stat st;

	if (!*path)
		inlay_found(f, OK, "none configured, so no logs");
	else if (stat(path, &st) || faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS))
		inlay_found(f, LACKS, "%s: %s", path, strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		inlay_found(f, LACKS, "%s: %s", path, strerror(ENOTDIR));
	else
		inlay_found(f, OK, "%s can be written", path);
}

void inlay_probe_ports(struct inlay_doctor *d, struct inlay_doctor_finding *f)
{
	char text[INLAY_ADDRESS_TEXT] = "";
	__u32 i;
	int rv = 0;

	for (i = 0; !rv && i < d->config.n_listen; i++) {
		rv = d->tries->bind(&d->config.listen[i]);
		inlay_address_format(&d->config.listen[i], text);
	}
	if (!rv) {
		inlay_found(f, OK, "UDP %s%s", text, d->config.n_listen > 1 ? " and others" : "");
	} else if (rv == -EADDRINUSE && !d->tries->answers(d->config.control_socket)) {
		inlay_found(f, OK, "UDP %s is in use, by a running inlayd", text);
	} else {
		inlay_found(f, LACKS, "UDP %s: %s", text, strerror(-rv));
		if (rv == -EADDRINUSE)
			inlay_fix(f, "ss -ulpn shows who has it; or listen elsewhere");
	}
}

static bool read_limit(const struct inlay_doctor *d, __u64 *ret)
{
	char text[128], hard[64];

	/* Max locked memory     <soft>  <hard>  bytes */
	if (!inlay_doctor_field(d, "/proc/self/limits", "Max locked memory", text, sizeof(text)) ||
	    sscanf(text, "%*s %63s", hard) != 1)
		return false;
	*ret = strcmp(hard, "unlimited") ? strtoull(hard, NULL, 10) : ~0ULL;
	return true;
}

void inlay_probe_locked_memory(struct inlay_doctor *d, struct inlay_doctor_finding *f)
{
	unsigned long long need = (d->keys.locked_bytes + 1023) >> 10;
	long long connections = (long long)d->config.max_connections;
	__u64 limit = 0;

	if (inlay_doctor_can(d, CAP_IPC_LOCK))
		limit = ~0ULL;
	else if (!read_limit(d, &limit))
		inlay_found(f, NOTE, "the kernel does not tell");
	inlay_fix(f, "ulimit -l %llu, or LimitMEMLOCK=%lluK of the service", need, need);
	if (d->keys_result == -ENOTSUP || d->keys_result == -ENOENT || d->keys_result == -EBADMSG)
		inlay_found(f, NOTE, "not known: there is no crypto backend");
	else if (d->keys_result && !d->keys.locked_bytes)
		inlay_found(f, LACKS, "the key store cannot be made: %s",
			    strerror(-d->keys_result));
	else if (limit == ~0ULL)
		inlay_found(f, OK, "%llu KiB for %lld connections, and there is no limit", need,
			    connections);
	else if (limit)
		inlay_found(f, limit >> 10 < need ? LACKS : OK,
			    "%lld connections need %llu KiB, %llu may be locked", connections, need,
			    (unsigned long long)limit >> 10);
}

void inlay_probe_backend(struct inlay_doctor *d, struct inlay_doctor_finding *f)
{
	const char *configured = inlay_config_provider(&d->config).backend;

	if (d->keys_result == -ENOTSUP || d->keys_result == -ENOENT)
		inlay_found(f, LACKS, "%s is not available on this machine", configured);
	else if (d->keys_result == -EBADMSG)
		inlay_found(f, LACKS, "%s failed its self-test", configured);
	else if (!d->keys.backend[0])
		inlay_found(f, NOTE, "not known: no memory for it");
	else if (strcmp(d->keys.backend, "ipsec-mb"))
		inlay_found(f, NOTE, "%s", d->keys.backend);
	else
		inlay_found(f, OK, "%s", d->keys.backend);
}
