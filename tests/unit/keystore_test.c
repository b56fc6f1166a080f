/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The key store and the memory under it: locked, out of dumps, wiped in a child, zeroed when done
 * with. What the kernel thinks of a page is read from /proc/self/smaps.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "hex.h"
#include "inlay_quic.h"
#include "keystore.h"
#include "protection.h"
#include "provider_local.h"
#include "rfc9001_vectors.h"

#define KIB 1024

/* Sanitizers make mlock() do nothing: what depends on it is tested without them. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define LOCKS false
#endif
#endif
#if !defined(LOCKS) && (defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__))
#define LOCKS false
#endif
#ifndef LOCKS
#define LOCKS true
#endif

/* --- What the kernel says ------------------------------------------------------------------------
 */

/* True: the mapping of |p| has all these two-letter flags; its protection is written to |perms|. */
static bool mapping_has(const void *p, const char *const *flags, char perms[5])
{
	FILE *f = fopen("/proc/self/smaps", "r");
	bool inside = false, found = false;
	char line[512];

	assert_non_null(f);
	while (!found && fgets(line, sizeof(line), f)) {
		unsigned long start, end;

		if (sscanf(line, "%lx-%lx %4s", &start, &end, perms) == 3)
			inside = (unsigned long)p >= start && (unsigned long)p < end;
		else if (inside && strncmp(line, "VmFlags:", 8) == 0)
			found = true;
	}
	fclose(f);
	assert_true(found);
	for (; *flags; flags++)
		if (!strstr(line + 8, *flags))
			return false;
	return true;
}

static unsigned long locked_kib(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	unsigned long kib = 0;
	char line[256];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "VmLck: %lu kB", &kib) == 1)
			break;
	fclose(f);
	return kib;
}

static bool is_zero(const __u8 *p, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (p[i])
			return false;
	return true;
}

/* How often 16 bytes stand in this process' writable memory. They are given with every bit turned
 * round, and compared so: the search must not find itself. */
static bool is_inverse(const __u8 *p, const __u8 *inverse)
{
	size_t i;

	for (i = 0; i < 16; i++)
		if ((p[i] ^ inverse[i]) != 0xff)
			return false;
	return true;
}

static int count_in_memory(const __u8 *inverse)
{
	const size_t room = 64 * KIB, len = 16;
	FILE *maps = fopen("/proc/self/maps", "r");
	int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	/* A mapping of its own, which the search can tell. */
	__u8 *buffer = inlay_secure_alloc(room);
	unsigned long start, end;
	char line[512], perms[5];
	int count = 0;

	assert_non_null(maps);
	assert_true(mem >= 0);
	assert_non_null(buffer);
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx %4s", &start, &end, perms) != 3 ||
		    strncmp(perms, "rw", 2) != 0 || start == (unsigned long)buffer)
			continue;
		/* A sanitizer's shadow: terabytes, and no copy of anything. */
		if (end - start > 256UL * KIB * KIB)
			continue;
		/* Pieces overlap, lest one of them hide what lies across its end. */
		for (; start + len <= end; start += room - len + 1) {
			size_t want = end - start < room ? end - start : room;
			ssize_t got = pread(mem, buffer, want, (off_t)start);
			const __u8 *at = buffer, *last = buffer + got - len;

			while (got >= (ssize_t)len && at <= last &&
			       (at = memchr(at, inverse[0] ^ 0xff, (size_t)(last - at) + 1)))
				count += is_inverse(at++, inverse);
		}
	}
	inlay_secure_free(buffer, room);
	close(mem);
	fclose(maps);
	return count;
}

/* --- Memory --------------------------------------------------------------------------------------
 */

static void test_memory_flags(void **state)
{
	static const char *const wanted[] = {" dd", " wf", LOCKS ? " lo" : NULL, NULL};
	static const char *const none[] = {NULL};
	char perms[5];
	__u8 *p = inlay_secure_alloc(5000);

	assert_non_null(p);
	assert_true(is_zero(p, 8192));
	assert_true(mapping_has(p, wanted, perms));
	assert_string_equal(perms, "rw-p");
	assert_true(mapping_has(p + 8191, wanted, perms));
	/* Guards. */
	assert_true(mapping_has(p - 1, none, perms));
	assert_string_equal(perms, "---p");
	assert_true(mapping_has(p + 8192, none, perms));
	assert_string_equal(perms, "---p");
	inlay_secure_free(p, 5000);
	inlay_secure_free(NULL, 5000);
}

static void test_wiped_in_child(void **state)
{
	__u8 *p = inlay_secure_alloc(100);
	int status;
	pid_t child;

	memset(p, 0xaa, 100);
	child = fork();
	if (child == 0)
		_exit(is_zero(p, 100) ? 0 : 1);
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(p[99], 0xaa);
	inlay_secure_free(p, 100);
}

static void test_no_room(void **state)
{
	errno = 0;
	assert_null(inlay_secure_alloc(0));
	assert_int_equal(errno, ENOMEM);
	errno = 0;
	assert_null(inlay_secure_alloc(SIZE_MAX));
	assert_int_equal(errno, ENOMEM);
	errno = 0;
	assert_null(inlay_keystore_new(0));
	assert_int_equal(errno, EINVAL);
}

/* Without the privilege to lock more than the limit: in a child, as nobody. */
static void test_lock_limit(void **state)
{
	const struct rlimit limit = {.rlim_cur = 64 * KIB, .rlim_max = 64 * KIB};
	pid_t child;
	int status;

	if (!LOCKS)
		skip();
	child = fork();
	if (child == 0) {
		if (setrlimit(RLIMIT_MEMLOCK, &limit) || (geteuid() == 0 && setuid(65534)))
			_exit(1);
		if (inlay_secure_alloc(128 * KIB) || errno != EPERM)
			_exit(2);
		if (inlay_keystore_new(10000) || errno != EPERM)
			_exit(3);
		_exit(inlay_secure_alloc(16 * KIB) ? 0 : 4);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_pool(void **state)
{
	enum { N = 200 };
	struct inlay_secure_pool pool;
	unsigned long before = locked_kib();
	__u8 *objects[N], *again;
	int i;

	inlay_secure_pool_init(&pool, 100);
	for (i = 0; i < N; i++) {
		objects[i] = inlay_secure_pool_get(&pool);
		assert_non_null(objects[i]);
		assert_int_equal((uintptr_t)objects[i] % 64, 0);
		assert_true(is_zero(objects[i], 128));
		memset(objects[i], 0x80 + i, 100);
	}
	for (i = 0; i < N; i++)
		assert_int_equal(objects[i][99], (__u8)(0x80 + i));
	/* A page each would be 800 KiB. */
	assert_true(locked_kib() - before <= 64);
	inlay_secure_pool_put(&pool, objects[70]);
	assert_true(is_zero(objects[70], 128));
	assert_int_equal(objects[69][0], (__u8)(0x80 + 69));
	assert_int_equal(objects[71][0], (__u8)(0x80 + 71));
	again = inlay_secure_pool_get(&pool);
	assert_ptr_equal(again, objects[70]);
	inlay_secure_pool_put(&pool, NULL);
	inlay_secure_pool_fini(&pool);
	assert_int_equal(locked_kib(), before);
}

/* --- The store
 * ------------------------------------------------------------------------------------ */

static void test_handles(void **state)
{
	struct inlay_keystore *ks = inlay_keystore_new(2);
	__u8 secret[INLAY_SECRET_MAX] = {1};
	inlay_secret a, b, c;

	assert_non_null(ks);
	assert_int_equal(inlay_keystore_add(ks, INLAY_AES_128_GCM, &a), 0);
	assert_int_equal(inlay_keystore_add(ks, INLAY_AES_128_GCM, &b), 0);
	assert_true(a != 0 && b != 0 && a != b);
	assert_int_equal(inlay_keystore_add(ks, INLAY_AES_128_GCM, &c), -ENOSPC);
	assert_int_equal(inlay_keystore_set(ks, 0, INLAY_RX, INLAY_AES_128_GCM, secret, 32),
			 -ENOENT);
	assert_int_equal(inlay_keystore_set(ks, a, INLAY_RX, INLAY_AES_128_GCM, secret, 48),
			 -EINVAL);
	assert_int_equal(inlay_keystore_set(ks, a, INLAY_RX, 7, secret, 32), -EINVAL);
	assert_int_equal(inlay_keystore_set(ks, a, 3, INLAY_AES_128_GCM, secret, 32), -EINVAL);
	assert_int_equal(inlay_keystore_set(ks, a, INLAY_RX, INLAY_AES_256_GCM, secret, 48), 0);
	assert_int_equal(inlay_keystore_set(ks, a, INLAY_RX, INLAY_AES_256_GCM, secret, 48),
			 -EEXIST);
	assert_int_equal(inlay_keystore_set(ks, a, INLAY_TX, INLAY_AES_128_GCM, secret, 32),
			 -EINVAL);
	assert_int_equal(inlay_keystore_set(ks, a, INLAY_TX, INLAY_AES_256_GCM, secret, 48), 0);
	inlay_keystore_del(ks, a);
	inlay_keystore_del(ks, a);
	inlay_keystore_del(ks, 12345);
	assert_int_equal(inlay_keystore_add(ks, INLAY_AES_128_GCM, &c), 0);
	/* The old handle does not name the new connection. */
	assert_true(c != a);
	assert_int_equal(inlay_keystore_set(ks, a, INLAY_RX, INLAY_AES_128_GCM, secret, 32),
			 -ENOENT);
	assert_int_equal(inlay_keystore_set(ks, c, INLAY_RX, INLAY_AES_128_GCM, secret, 32), 0);
	inlay_keystore_free(ks);
	inlay_keystore_free(NULL);
}

static struct inlay_provider *new_local(__u32 max_sa, const char *backend)
{
	const struct inlay_provider_local_config config = {
		.max_sa = max_sa,
		.max_cids = max_sa,
		.backend = backend,
	};
	struct inlay_provider *p = inlay_provider_local_new(&config);

	assert_non_null(p);
	return p;
}

static void fill_cid(struct inlay_cid *cid, __u32 number)
{
	*cid = (struct inlay_cid){.len = INLAY_OWN_CID};
	memcpy(cid->data, &number, sizeof(number));
}

static struct inlay_sa_params params_of(enum inlay_direction dir, const struct inlay_cid *cid)
{
	return (struct inlay_sa_params){.direction = dir, .cids = cid, .n_cids = 1};
}

/* Secret number |n|: no byte sequence that occurs by itself. */
static void make_secret(__u8 secret[INLAY_SECRET_MAX], __u32 n)
{
	size_t i;

	for (i = 0; i < INLAY_SECRET_MAX; i++)
		secret[i] = (__u8)((n + 1) * 0x9d + i * i * 31 + 0xc3);
}

/* RFC 9001 A.5's secret: the provider opens A.5's kind of packet, before and after an update, with
 * header protection of the first secret throughout; and the store plumbs the phase in force. */
static void test_plumb_and_update(void **state)
{
	struct inlay_keystore *ks = inlay_keystore_new(1);
	struct inlay_provider *p = new_local(8, "libcrypto");
	struct inlay_sa_ref tx, rx;
	struct inlay_sa_params params;
	struct inlay_cid cid;
	__u8 secret[INLAY_SECRET_MAX];
	inlay_secret s;
	__u64 pn;

	fill_cid(&cid, 7);
	hex_bytes(chacha_secret, secret, sizeof(secret));
	assert_int_equal(inlay_keystore_add(ks, INLAY_CHACHA20_POLY1305, &s), 0);
	params = params_of(INLAY_TX, &cid);
	assert_int_equal(inlay_keystore_plumb(ks, s, p, &params, &tx), -ENOENT);
	inlay_keystore_set(ks, s, INLAY_TX, INLAY_CHACHA20_POLY1305, secret, 32);
	inlay_keystore_set(ks, s, INLAY_RX, INLAY_CHACHA20_POLY1305, secret, 32);
	assert_int_equal(inlay_keystore_plumb(ks, s, p, &params, &tx), 0);
	assert_int_equal(params.cipher, INLAY_CHACHA20_POLY1305);
	assert_true(is_zero((__u8 *)&params.keys, sizeof(params.keys)));
	assert_true(is_zero(params.hp, sizeof(params.hp)));
	params = params_of(INLAY_RX, &cid);
	assert_int_equal(inlay_keystore_plumb(ks, s, p, &params, &rx), 0);

	for (pn = 0; pn < 40; pn++) {
		__u8 packet[13 + 30 + INLAY_TAG] = {0x43};
		struct inlay_seal_item seal = {
			.header = packet,
			.header_len = 13,
			.payload = packet + 13,
			.payload_len = 30,
			.dst = packet,
			.dst_room = sizeof(packet),
			.sa = tx,
			.pn = pn,
		};
		struct inlay_open_item open = {.packet = packet, .len = sizeof(packet)};

		memcpy(packet + 1, cid.data, INLAY_OWN_CID);
		packet[12] = (__u8)pn;
		memset(packet + 13, (int)pn, 30);
		/* Every ten numbers an update, begun by the sender; five later the receiver's. */
		if (pn % 10 == 5 && pn > 10)
			assert_int_equal(inlay_keystore_next_phase(ks, s, INLAY_RX, p, rx, 0), 0);
		if (pn % 10 == 0 && pn > 0)
			assert_int_equal(inlay_keystore_next_phase(ks, s, INLAY_TX, p, tx, pn), 0);
		if (pn == 36) {
			/* To another provider, so to say: delete, then add. */
			assert_int_equal(p->ops->sa_del(p, rx), 0);
			params = params_of(INLAY_RX, &cid);
			params.next_pn = 36;
			assert_int_equal(inlay_keystore_plumb(ks, s, p, &params, &rx), 0);
			assert_true(params.phase);
		}
		assert_int_equal(p->ops->seal(p, &seal, 1), 1);
		assert_int_equal(p->ops->open(p, &open, 1), 1);
		assert_int_equal(packet[13], pn);
		assert_int_equal(packet[0] & 4, pn / 10 % 2 ? 4 : 0);
	}
	/* A refused update leaves the store as it is. */
	assert_int_equal(inlay_keystore_next_phase(ks, s, INLAY_TX, p, tx, 0), -EBUSY);
	assert_int_equal(inlay_keystore_next_phase(ks, s, INLAY_TX, p, tx, 50), 0);
	p->ops->free(p);
	inlay_keystore_free(ks);
}

static void test_plumb_undone(void **state)
{
	struct inlay_keystore *ks = inlay_keystore_new(1);
	struct inlay_provider *p = new_local(4, "libcrypto");
	__u8 secret[INLAY_SECRET_MAX];
	struct inlay_sa_params params;
	struct inlay_sa_ref a, b = {.number = 99};
	struct inlay_cid cid;
	inlay_secret s;

	fill_cid(&cid, 7);
	make_secret(secret, 1);
	inlay_keystore_add(ks, INLAY_AES_128_GCM, &s);
	inlay_keystore_set(ks, s, INLAY_RX, INLAY_AES_128_GCM, secret, 32);
	params = params_of(INLAY_RX, &cid);
	assert_int_equal(inlay_keystore_plumb(ks, s, p, &params, &a), 0);
	assert_int_equal(inlay_keystore_plumb(ks, s, p, &params, &b), -EEXIST);
	assert_int_equal(b.number, 99);
	assert_true(is_zero((__u8 *)&params.keys, sizeof(params.keys)));
	assert_int_equal(inlay_keystore_next_phase(ks, s, INLAY_TX, p, a, 0), -ENOENT);
	inlay_keystore_del(ks, s);
	assert_int_equal(inlay_keystore_plumb(ks, s, p, &params, &b), -ENOENT);
	p->ops->free(p);
	inlay_keystore_free(ks);
}

/* --- Zeroing
 * ---------------------------------------------------------------------------------------- */

/* After a connection's end nothing of its secrets and keys is in the process: neither the store's
 * nor the provider's copy, nor a stray one. */
static void check_nothing_left(const char *backend, enum inlay_cipher cipher)
{
	struct inlay_keystore *ks = inlay_keystore_new(4);
	struct inlay_provider *p = new_local(4, backend);
	/* Not on the stack, where the compiler might keep copies. */
	static __u8 secret[INLAY_SECRET_MAX];
	static struct inlay_keys keys;
	__u8 inverse_secret[16], inverse_key[16];
	struct inlay_sa_params params;
	struct inlay_sa_ref tx, rx;
	struct inlay_cid cid;
	inlay_secret s;
	int i;

	fill_cid(&cid, 1);
	make_secret(secret, cipher);
	assert_int_equal(inlay_protection_keys(cipher, secret, &keys), 0);
	for (i = 0; i < 16; i++) {
		inverse_secret[i] = (__u8)~secret[i];
		inverse_key[i] = (__u8)~keys.key[i];
	}
	/* The search does find what is there. */
	assert_true(count_in_memory(inverse_key) > 0);
	explicit_bzero(&keys, sizeof(keys));
	inlay_keystore_add(ks, cipher, &s);
	inlay_keystore_set(ks, s, INLAY_TX, cipher, secret, inlay_cipher_secret_len(cipher));
	inlay_keystore_set(ks, s, INLAY_RX, cipher, secret, inlay_cipher_secret_len(cipher));
	explicit_bzero(secret, sizeof(secret));
	params = params_of(INLAY_TX, &cid);
	assert_int_equal(inlay_keystore_plumb(ks, s, p, &params, &tx), 0);
	params = params_of(INLAY_RX, &cid);
	assert_int_equal(inlay_keystore_plumb(ks, s, p, &params, &rx), 0);

	/* Nowhere but in the store, once a direction. */
	assert_int_equal(count_in_memory(inverse_secret), 2);
	inlay_keystore_del(ks, s);
	assert_int_equal(count_in_memory(inverse_secret), 0);
	/* An expanded AES key begins with the key. */
	assert_int_equal(count_in_memory(inverse_key), 2);
	assert_int_equal(p->ops->sa_del(p, tx), 0);
	assert_int_equal(count_in_memory(inverse_key), 1);
	assert_int_equal(p->ops->sa_del(p, rx), 0);
	assert_int_equal(count_in_memory(inverse_key), 0);
	p->ops->free(p);
	inlay_keystore_free(ks);
}

static void test_nothing_left(void **state)
{
	enum inlay_cipher cipher;

	for (cipher = INLAY_AES_128_GCM; cipher <= INLAY_CHACHA20_POLY1305; cipher++) {
		check_nothing_left("libcrypto", cipher);
		if (inlay_aead_ipsec_mb.probe() == 0)
			check_nothing_left("ipsec-mb", cipher);
	}
}

/* --- Size
 * ------------------------------------------------------------------------------------------- */

/* A thousand connections fit into the 8 MiB that many systems let a user lock. */
static void test_thousand_connections(void **state)
{
	enum { CONNECTIONS = 1000 };
	unsigned long before = locked_kib();
	struct inlay_keystore *ks = inlay_keystore_new(CONNECTIONS);
	struct inlay_provider *p = new_local(2 * CONNECTIONS, NULL);
	__u8 secret[INLAY_SECRET_MAX];
	__u32 i;

	assert_non_null(ks);
	for (i = 0; i < CONNECTIONS; i++) {
		struct inlay_sa_params params;
		struct inlay_sa_ref sa;
		struct inlay_cid cid;
		inlay_secret s;

		fill_cid(&cid, i);
		make_secret(secret, i);
		assert_int_equal(inlay_keystore_add(ks, INLAY_AES_128_GCM, &s), 0);
		inlay_keystore_set(ks, s, INLAY_RX, INLAY_AES_128_GCM, secret, 32);
		inlay_keystore_set(ks, s, INLAY_TX, INLAY_AES_128_GCM, secret, 32);
		params = params_of(INLAY_TX, &cid);
		assert_int_equal(inlay_keystore_plumb(ks, s, p, &params, &sa), 0);
		params = params_of(INLAY_RX, &cid);
		assert_int_equal(inlay_keystore_plumb(ks, s, p, &params, &sa), 0);
		/* With the old keys of an update not yet dropped. */
		assert_int_equal(inlay_keystore_next_phase(ks, s, INLAY_RX, p, sa, 0), 0);
	}
	print_message("%lu KiB locked for %d connections\n", locked_kib() - before, CONNECTIONS);
	assert_true(locked_kib() - before < 8 * KIB);
	p->ops->free(p);
	inlay_keystore_free(ks);
	assert_int_equal(locked_kib(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory_flags),
		cmocka_unit_test(test_wiped_in_child),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_lock_limit),
		cmocka_unit_test(test_pool),
		cmocka_unit_test(test_handles),
		cmocka_unit_test(test_plumb_and_update),
		cmocka_unit_test(test_plumb_undone),
		cmocka_unit_test(test_nothing_left),
		cmocka_unit_test(test_thousand_connections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
