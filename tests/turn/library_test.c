/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libinlay-turn against the kernel: what may go fast, time, the kernel's news, and what is said
 * when it cannot be opened.
 *
 * usage: turn_library OBJECT OTHER_OBJECT
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "library_scene.h"
#include "monitor.h"
#include "sockets.h"

static struct inlay_turn_allocation_params params(void)
{
	struct inlay_turn_allocation_params p = {.client = scene_v4("203.0.113.5", 4000),
						 .server = scene_v4("192.0.2.1", 3478),
						 .relayed = scene_v4("192.0.2.1", 49152),
						 .until = INLAY_NEVER};

	return p;
}

static struct inlay_turn_id allocate(struct inlay_turn *turn)
{
	struct inlay_turn_allocation_params p = params();
	struct inlay_turn_id id;

	assert_int_equal(inlay_turn_allocation_add(turn, &p, &id), 0);
	return id;
}

/* --- What may go fast ----------------------------------------------------------------------- */

static void test_an_allocation_goes_in_and_out(void **state)
{
	struct inlay_turn *turn = scene_open_plainly();
	struct inlay_addr peer = scene_v4("198.51.100.9", 5000);
	struct inlay_turn_id id = allocate(turn);
	struct inlay_turn_channel_info info;

	assert_int_equal(inlay_turn_permission_set(turn, id, &peer, INLAY_NEVER), 0);
	assert_int_equal(inlay_turn_channel_set(turn, id, 0x4000, &peer, INLAY_NEVER), 0);
	assert_int_equal(inlay_turn_channel_set(turn, id, 0x4001, &peer, INLAY_NEVER), -EEXIST);
	assert_int_equal(inlay_turn_channel_read(turn, id, 0x4000, &info), 0);
	assert_int_equal(info.stats.to_peer_packets, 0);
	assert_int_equal(info.permission_until, INLAY_NEVER);
	assert_int_equal(scene_count_keys("turn_clients"), 1);
	assert_int_equal(scene_count_keys("turn_peers"), 1);
	assert_int_equal(inlay_turn_allocation_remove(turn, id), 0);
	assert_int_equal(inlay_turn_channel_read(turn, id, 0x4000, &info), -ESTALE);
	assert_int_equal(scene_count_keys("turn_clients"), 0);
	assert_int_equal(scene_count_keys("turn_peers"), 0);
	scene_close(turn);
}

static void test_what_has_run_out_is_gone_from_the_maps_in_the_next_turn(void **state)
{
	struct inlay_turn *turn = scene_open_plainly();
	struct inlay_addr peer = scene_v4("198.51.100.9", 5000);
	struct inlay_turn_id id = allocate(turn);
	inlay_ns now = scene_now(), end = now + 3600 * INLAY_S;
	struct inlay_turn_candidate candidate = {.client = scene_v4("203.0.113.6", 4000),
						 .server = scene_v4("192.0.2.1", 3478),
						 .peer = peer,
						 .relayed_port = htons(49153),
						 .number = 0x4000,
						 .until = end};
	struct inlay_turn_channel_info info;
	struct inlay_turn_ref ref;

	assert_int_equal(inlay_turn_channel_set(turn, id, 0x4000, &peer, end), 0);
	assert_int_equal(inlay_turn_watch_add(turn, &candidate, &ref), 0);
	(void)inlay_turn_turn(turn, end - 1);
	assert_int_equal(scene_count_keys("turn_clients"), 2);
	assert_int_equal(scene_count_keys("turn_watched"), 1);
	(void)inlay_turn_turn(turn, end);
	assert_int_equal(inlay_turn_channel_read(turn, id, 0x4000, &info), -ENOENT);
	assert_int_equal(inlay_turn_watch_remove(turn, ref), -ESTALE);
	assert_int_equal(scene_count_keys("turn_clients"), 0);
	assert_int_equal(scene_count_keys("turn_peers"), 0);
	assert_int_equal(scene_count_keys("turn_watched"), 0);
	scene_close(turn);
}

static void test_a_full_table_leaves_new_channels_to_the_server_and_counts_them(void **state)
{
	struct inlay_turn_config config = {.mode = INLAY_TURN_RELAY, .max_flows = 3};
	struct inlay_turn *turn = scene_open(&config);
	struct inlay_turn_id id = allocate(turn);
	struct inlay_reason_counters reasons;

	for (__u16 i = 0; i < 4; i++) {
		struct inlay_addr peer = scene_v4("198.51.100.9", (__u16)(5000 + i));

		assert_int_equal(inlay_turn_channel_set(turn, id, 0x4000 + i, &peer, INLAY_NEVER),
				 i < 3 ? 0 : -ENOSPC);
	}
	inlay_turn_reasons(turn, &reasons);
	assert_int_equal(reasons.count[INLAY_REASON_TURN_FULL], 1);
	assert_int_equal(scene_count_keys("turn_clients"), 3);
	scene_close(turn);
}

static inlay_ns cpu_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (inlay_ns)ts.tv_sec * INLAY_S + (inlay_ns)ts.tv_nsec;
}

static void test_sums_over_many_channels_are_not_made_for_everybody_who_asks(void **state)
{
	struct inlay_turn_config config = {.mode = INLAY_TURN_RELAY, .max_flows = 8192};
	struct inlay_turn *turn = scene_open(&config);
	struct inlay_turn_allocation_params p = params();
	struct inlay_addr peer = scene_v4("198.51.100.9", 0);
	struct inlay_turn_totals totals;
	struct inlay_turn_id id;
	inlay_ns began, once;

	for (__u32 i = 0; i < 8192; i++) {
		if (i % 4096 == 0) {
			p.client.port++;
			p.relayed.port++;
			assert_int_equal(inlay_turn_allocation_add(turn, &p, &id), 0);
		}
		peer.port = htons((__u16)(1 + i));
		assert_int_equal(
			inlay_turn_channel_set(turn, id, 0x4000 + i % 4096, &peer, INLAY_NEVER), 0);
	}
	began = cpu_now();
	inlay_turn_totals(turn, &totals);
	once = cpu_now() - began;
	assert_int_equal(totals.channels, 8192);
	began = cpu_now();
	for (int i = 0; i < 100; i++)
		inlay_turn_totals(turn, &totals);
	assert_true(once < INLAY_MS || cpu_now() - began < 50 * once);
	print_message("# summing took %llu us\n", (unsigned long long)(once / 1000));
	scene_close(turn);
}

/* --- Time and news -------------------------------------------------------------------------- */

static void test_nothing_is_alive_before_the_first_turn_nor_two_seconds_after_the_last(void **state)
{
	struct inlay_turn *turn = scene_open_plainly();
	struct pollfd fd = {.fd = inlay_turn_fd(turn), .events = POLLIN};
	inlay_ns now = scene_now();

	assert_int_equal(scene_control().alive_until, 0);
	/* So the first turn is asked for at once. */
	assert_int_equal(poll(&fd, 1, 20000), 1);
	assert_true(inlay_turn_turn(turn, now) <= now + 500 * INLAY_MS);
	assert_int_equal(scene_control().alive_until, now + INLAY_TURN_ALIVE);
	assert_int_equal(scene_control().mode, INLAY_TURN_RELAY);
	assert_int_equal(scene_control().version, INLAY_TURN_ABI_VERSION);
	scene_close(turn);
}

static void assert_hops_change(struct inlay_turn *turn, inlay_ns now, const char *command)
{
	__u32 before = scene_control().hop_generation;

	scene_run(command);
	(void)inlay_turn_turn(turn, now);
	assert_int_not_equal(scene_control().hop_generation, before);
}

static void test_what_changes_the_way_of_packets_outdates_the_known_hops(void **state)
{
	struct inlay_turn *turn = scene_open_plainly();
	inlay_ns now = scene_now();

	(void)inlay_turn_turn(turn, now);
	assert_hops_change(turn, now, "ip route add 198.51.100.0/24 via 192.0.2.2");
	assert_hops_change(turn, now, "ip -6 route add 2001:db8:1::/64 via 2001:db8::2");
	assert_hops_change(turn, now, "ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:09 dev srv");
	assert_hops_change(turn, now, "ip addr add 192.0.2.77/24 dev srv");
	assert_hops_change(turn, now, "ip link set srv mtu 1400");
	assert_hops_change(turn, now, "ip rule add from 192.0.2.77 lookup main");
	scene_close(turn);
}

/* What is only looked at a while after its news outdates them once more then. */
static void test_interfaces_that_keep_changing_outdate_the_known_hops(void **state)
{
	struct inlay_turn *turn = scene_open_plainly();
	inlay_ns now = scene_now();
	__u32 before;

	(void)inlay_turn_turn(turn, now);
	scene_run("ip link set far down");
	(void)inlay_turn_turn(turn, now + INLAY_S / 2);
	scene_run("ip link set far up");
	(void)inlay_turn_turn(turn, now + INLAY_S / 2 + INLAY_MS);
	assert_string_equal(scene_link(turn, "far").why, "it is down");
	before = scene_control().hop_generation;
	(void)inlay_turn_turn(turn, now + INLAY_S);
	assert_true(!scene_link(turn, "far").why ||
		    strcmp(scene_link(turn, "far").why, "it is down"));
	assert_int_not_equal(scene_control().hop_generation, before);
	scene_close(turn);
}

struct heard {
	__u64 cookies[16];
	int n;
};

static void on_gone(void *user, __u64 cookie)
{
	struct heard *heard = user;

	heard->cookies[heard->n++ % 16] = cookie;
}

static __u64 open_and_close_socket(int family)
{
	int fd = socket(family, SOCK_DGRAM, 0);
	socklen_t len = sizeof(__u64);
	__u64 cookie = 0;

	assert_true(fd >= 0);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len), 0);
	close(fd);
	return cookie;
}

/* The kernel tells from a work queue: turned until it has, a bounded time. */
static bool is_told(struct inlay_turn *turn, const struct heard *heard, __u64 cookie)
{
	struct pollfd fd = {.fd = inlay_turn_fd(turn), .events = POLLIN};

	for (int i = 0; i < 100; i++) {
		for (int k = 0; k < heard->n && k < 16; k++)
			if (heard->cookies[k] == cookie)
				return true;
		(void)poll(&fd, 1, 50);
		(void)inlay_turn_turn(turn, scene_now());
	}
	return false;
}

static void test_the_end_of_a_udp_socket_is_told_by_its_cookie(void **state)
{
	struct inlay_turn *turn = scene_open_plainly();
	struct heard heard = {0};
	struct inlay_turn_listener listener = {.gone = on_gone, .user = &heard};
	__u64 v4, v6;

	assert_int_equal(scene_control().n_ports, 0);
	assert_int_equal(inlay_turn_listen(turn, &listener), 0);
	assert_int_equal(scene_control().n_ports, 1);
	assert_int_equal(scene_control().ports[0], htons(3478));
	v4 = open_and_close_socket(AF_INET);
	v6 = open_and_close_socket(AF_INET6);
	assert_true(is_told(turn, &heard, v4));
	assert_true(is_told(turn, &heard, v6));
	scene_close(turn);
}

/* A UDP socket, bound to |ip| if it is one. */
struct udp {
	int fd;
	__u64 cookie;
	struct inlay_addr local;
};

static struct udp udp_at(const char *ip, __u16 port)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct udp u = {.fd = socket(ip ? AF_INET : AF_INET6, SOCK_DGRAM, 0),
			.local = scene_v4(ip ? ip : "192.0.2.1", port)};
	socklen_t len = sizeof(u.cookie);
	int one = 1;

	memcpy(&v4.sin_addr, u.local.ip, sizeof(v4.sin_addr));
	assert_int_equal(setsockopt(u.fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)), 0);
	assert_int_equal(ip ? bind(u.fd, (struct sockaddr *)&v4, sizeof(v4))
			    : bind(u.fd, (struct sockaddr *)&v6, sizeof(v6)),
			 0);
	assert_int_equal(getsockopt(u.fd, SOL_SOCKET, SO_COOKIE, &u.cookie, &len), 0);
	return u;
}

static void test_sockets_of_the_namespace_are_known_and_others_are_not(void **state)
{
	struct inlay_addr remote = scene_v4("192.0.2.9", 5000), nat = scene_v4("10.9.9.9", 49154);
	struct udp plain = udp_at("192.0.2.1", 49152), both = udp_at(NULL, 49153);
	struct udp one = udp_at("192.0.2.1", 49154), other = udp_at("192.0.2.1", 49154), ours;
	struct udp bound = udp_at("192.0.2.1", 49155);
	inlay_ns now = 1000 * INLAY_S;
	struct inlay_turn_sockets s;

	assert_int_equal(setsockopt(bound.fd, SOL_SOCKET, SO_BINDTODEVICE, "srv", 3), 0);
	assert_int_equal(inlay_turn_sockets_init(&s), 0);
	assert_true(inlay_turn_sockets_have(&s, plain.cookie, &plain.local, &remote, now));
	assert_false(inlay_turn_sockets_have(&s, plain.cookie + 1, &plain.local, &remote, now));
	/* One of IPv6 that speaks IPv4. What is found exactly is not looked for. */
	assert_true(inlay_turn_sockets_have(&s, both.cookie, &both.local, &remote, now));
	/* Of two that share a port, datagrams of that client come to one alone. */
	now += INLAY_TURN_SEARCH_EVERY;
	assert_true(inlay_turn_sockets_have(&s, one.cookie, &one.local, &remote, now));
	now += INLAY_TURN_SEARCH_EVERY;
	assert_true(inlay_turn_sockets_have(&s, other.cookie, &other.local, &remote, now));
	now += INLAY_TURN_SEARCH_EVERY;
	assert_true(inlay_turn_sockets_have(&s, bound.cookie, &bound.local, &remote, now));
	/* Searches are not for everybody to cause. */
	assert_false(inlay_turn_sockets_have(&s, bound.cookie, &bound.local, &remote, now));
	now += INLAY_TURN_SEARCH_EVERY;
	assert_true(inlay_turn_sockets_have(&s, one.cookie, &nat, &remote, now));
	inlay_turn_sockets_fini(&s);

	assert_int_equal(scene_make(NULL), 0);
	ours = udp_at("192.0.2.1", 49152);
	assert_int_equal(inlay_turn_sockets_init(&s), 0);
	now += INLAY_TURN_SEARCH_EVERY;
	assert_false(inlay_turn_sockets_have(&s, plain.cookie, &plain.local, &remote, now));
	assert_true(inlay_turn_sockets_have(&s, ours.cookie, &ours.local, &remote, now));
	close(ours.fd);
	now += INLAY_TURN_SEARCH_EVERY;
	assert_false(inlay_turn_sockets_have(&s, ours.cookie, &ours.local, &remote, now));
	inlay_turn_sockets_fini(&s);
	close(plain.fd);
	close(both.fd);
	close(one.fd);
	close(other.fd);
	close(bound.fd);
}

/* More than the socket has room for, while nobody reads. */
static void test_ends_of_sockets_that_were_not_heard_are_told_as_lost(void **state)
{
	struct inlay_turn_monitor monitor;
	struct inlay_turn_news news = {0};
	int fds[2], little = 1;

	assert_int_equal(inlay_turn_monitor_init(&monitor), 0);
	assert_int_equal(monitor.sockets_err, 0);
	inlay_turn_monitor_fds(&monitor, fds);
	assert_int_equal(setsockopt(fds[1], SOL_SOCKET, SO_RCVBUF, &little, sizeof(little)), 0);
	/* Nobody reads until there is no more room: the kernel tells in a thread of its own. */
	for (int i = 0; i < 100; i++) {
		struct pollfd fd = {.fd = fds[1]};

		for (int k = 0; k < 50; k++)
			(void)open_and_close_socket(AF_INET);
		if (poll(&fd, 1, 50) > 0 && fd.revents & POLLERR)
			break;
	}
	inlay_turn_monitor_read(&monitor, NULL, NULL, &news);
	assert_true(news.lost > 0);
	inlay_turn_monitor_fini(&monitor);
}

/* --- What is said when it cannot be opened --------------------------------------------------- */

static void test_a_missing_object_is_said(void **state)
{
	struct inlay_turn_config config = {.object = "/nonexistent/turn.bpf.o"};

	scene_open_fails(&config, -ENOENT, "/nonexistent/turn.bpf.o");
}

static void test_what_is_no_object_of_ours_is_said(void **state)
{
	struct inlay_turn_config config = {.object = "/proc/self/exe"};

	scene_open_fails(&config, -ENOEXEC, "no BPF object");
	config.object = scene_other_object;
	scene_open_fails(&config, -EPROTO, "another version");
}

static void test_settings_that_make_no_sense_are_said(void **state)
{
	static const struct inlay_turn_range bad = {.addr = {.family = AF_INET}, .prefix_len = 33};
	static const __u16 ports[INLAY_TURN_PORTS + 1] = {1};
	struct inlay_turn_config config = {.object = scene_object, .ports = ports};

	scene_open_fails(&config, -EINVAL, "ports");
	config.n_ports = INLAY_TURN_PORTS + 1;
	scene_open_fails(&config, -EINVAL, "ports");
	config.n_ports = 1;
	config.denied = &bad;
	config.n_denied = 1;
	scene_open_fails(&config, -EINVAL, "denied range");
	config.n_denied = 0;
	config.max_flows = ~0U;
	scene_open_fails(&config, -EINVAL, "channels");
}

static void test_a_missing_privilege_is_said(void **state)
{
	struct inlay_turn_config config = {.object = scene_object, .mode = INLAY_TURN_RELAY};
	struct inlay_turn *turn = NULL;
	char error[256] = "";
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (!child) {
		if (setgid(65534) || setuid(65534) || access(scene_object, R_OK))
			_exit(77);
		if (inlay_turn_open(&config, &turn, error, sizeof(error)) != -EPERM)
			_exit(1);
		_exit(strstr(error, "CAP_BPF") ? 0 : 2);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	/* Where an ordinary user cannot read the build folder there is nothing to try. */
	assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77);
}

static void test_a_second_one_in_a_namespace_is_refused_and_told_who_is_there(void **state)
{
	struct inlay_turn_config config = {.mode = INLAY_TURN_RELAY, .object = scene_object};
	struct inlay_turn *turn = scene_open_plainly(), *second = NULL;
	char error[256], who[32];

	snprintf(who, sizeof(who), "(process %d)", (int)getpid());
	assert_int_equal(inlay_turn_open(&config, &second, error, sizeof(error)), -EBUSY);
	assert_non_null(strstr(error, who));
	/* It has touched nothing of the first one's. */
	assert_string_equal(scene_link(turn, "srv").ingress, "native");
	scene_run("grep -q 1 /proc/sys/net/ipv4/conf/lo/forwarding");
	scene_close(turn);
	scene_close(scene_open_plainly());
}

static void test_an_error_without_room_for_a_line_is_an_error_all_the_same(void **state)
{
	struct inlay_turn_config config = {.object = "/nonexistent/turn.bpf.o"};
	struct inlay_turn *turn = NULL;

	assert_int_equal(inlay_turn_open(&config, &turn, NULL, 0), -ENOENT);
	inlay_turn_close(NULL);
}

#define IN_SCENE(test) cmocka_unit_test_setup(test, scene_make)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		IN_SCENE(test_an_allocation_goes_in_and_out),
		IN_SCENE(test_what_has_run_out_is_gone_from_the_maps_in_the_next_turn),
		IN_SCENE(test_a_full_table_leaves_new_channels_to_the_server_and_counts_them),
		IN_SCENE(test_sums_over_many_channels_are_not_made_for_everybody_who_asks),
		IN_SCENE(
			test_nothing_is_alive_before_the_first_turn_nor_two_seconds_after_the_last),
		IN_SCENE(test_what_changes_the_way_of_packets_outdates_the_known_hops),
		IN_SCENE(test_interfaces_that_keep_changing_outdate_the_known_hops),
		IN_SCENE(test_the_end_of_a_udp_socket_is_told_by_its_cookie),
		IN_SCENE(test_sockets_of_the_namespace_are_known_and_others_are_not),
		IN_SCENE(test_ends_of_sockets_that_were_not_heard_are_told_as_lost),
		IN_SCENE(test_a_missing_object_is_said),
		IN_SCENE(test_what_is_no_object_of_ours_is_said),
		IN_SCENE(test_settings_that_make_no_sense_are_said),
		IN_SCENE(test_a_missing_privilege_is_said),
		IN_SCENE(test_a_second_one_in_a_namespace_is_refused_and_told_who_is_there),
		IN_SCENE(test_an_error_without_room_for_a_line_is_an_error_all_the_same),
	};
	int err = scene_begin(argc, argv);

	return err ? err : cmocka_run_group_tests(tests, NULL, NULL);
}
