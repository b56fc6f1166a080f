/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libinlay-turn against the kernel, in a network namespace of the test's own: opens, attaches,
 * adds, lets expire, closes, and leaves nothing. Skipped without the privilege to make one.
 *
 * usage: turn_library OBJECT
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "attach.h"
#include "inlay_turn.h"
#include "watch.h"

#define TRIES 2000

static const char *object;
static const char *const veth_names[] = {"srv"};

static inlay_ns clock_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (inlay_ns)ts.tv_sec * INLAY_S + (inlay_ns)ts.tv_nsec;
}

static void run(const char *command)
{
	if (system(command)) {
		print_error("%s failed\n", command);
		fail();
	}
}

static struct inlay_addr v4(const char *ip, __u16 port)
{
	struct inlay_addr addr = {.family = AF_INET, .port = htons(port)};

	inet_pton(AF_INET, ip, addr.ip);
	return addr;
}

/* --- The scene ------------------------------------------------------------------------------ */

/* A namespace of its own for each test, with a veth pair and both ends in it. */
static int make_scene(void **state)
{
	if (unshare(CLONE_NEWNET))
		return -1;
	run("ip link set lo up && ip link add srv type veth peer name far && "
	    "ip addr add 192.0.2.1/24 dev srv && ip link set srv up && ip link set far up");
	return 0;
}

static struct inlay_turn *open_turn(const struct inlay_turn_config *how)
{
	struct inlay_turn_config config = *how;
	struct inlay_turn *turn = NULL;
	char error[256];
	int err;

	config.object = object;
	config.max_flows = config.max_flows ? config.max_flows : 64;
	config.max_allocations = config.max_allocations ? config.max_allocations : 16;
	err = inlay_turn_open(&config, &turn, error, sizeof(error));
	if (err)
		print_error("%s\n", error);
	assert_int_equal(err, 0);
	return turn;
}

static struct inlay_turn *open_plainly(void)
{
	struct inlay_turn_config config = {.mode = INLAY_TURN_RELAY};

	return open_turn(&config);
}

struct found {
	const char *name;
	struct inlay_turn_link_info info;
	int n;
};

static void find_one(void *user, const struct inlay_turn_link_info *info)
{
	struct found *found = user;

	if (strcmp(info->name, found->name))
		return;
	found->info = *info;
	found->n++;
}

static struct inlay_turn_link_info link_info(const struct inlay_turn *turn, const char *name)
{
	struct found found = {.name = name};

	inlay_turn_links(turn, find_one, &found);
	assert_int_equal(found.n, 1);
	return found.info;
}

static bool has_link(const struct inlay_turn *turn, const char *name)
{
	struct found found = {.name = name};

	inlay_turn_links(turn, find_one, &found);
	return found.n;
}

/* --- What is left ---------------------------------------------------------------------------- */

enum { MAX_IDS = 128 };

struct ids {
	__u32 maps[MAX_IDS], programs[MAX_IDS], links[MAX_IDS];
	int n_maps, n_programs, n_links;
};

/* Objects of the kernel's that this process holds open. */
static void read_ids(struct ids *ids)
{
	DIR *dir = opendir("/proc/self/fdinfo");
	struct dirent *entry;
	char path[300], line[128];
	unsigned int id;
	FILE *file;

	*ids = (struct ids){0};
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		bool is_link = false;

		snprintf(path, sizeof(path), "/proc/self/fdinfo/%s", entry->d_name);
		file = fopen(path, "r");
		while (file && fgets(line, sizeof(line), file)) {
			if (sscanf(line, "link_id: %u", &id) == 1) {
				is_link = true;
				ids->links[ids->n_links++ % MAX_IDS] = id;
			}
			if (sscanf(line, "map_id: %u", &id) == 1)
				ids->maps[ids->n_maps++ % MAX_IDS] = id;
			if (sscanf(line, "prog_id: %u", &id) == 1 && !is_link)
				ids->programs[ids->n_programs++ % MAX_IDS] = id;
		}
		if (file)
			fclose(file);
	}
	closedir(dir);
}

/* The kernel frees behind a grace period: looked at again and again, a bounded number of times. */
static bool is_gone(int (*open_id)(__u32 id), __u32 id)
{
	for (int i = 0; i < TRIES; i++) {
		int fd = open_id(id);

		if (fd < 0)
			return true;
		close(fd);
		sched_yield();
		poll(NULL, 0, 1);
	}
	return false;
}

static void assert_all_gone(const struct ids *ids)
{
	struct ids now;

	read_ids(&now);
	assert_int_equal(now.n_maps + now.n_programs + now.n_links, 0);
	for (int i = 0; i < ids->n_links; i++)
		assert_true(is_gone(bpf_link_get_fd_by_id, ids->links[i]));
	for (int i = 0; i < ids->n_programs; i++)
		assert_true(is_gone(bpf_prog_get_fd_by_id, ids->programs[i]));
	for (int i = 0; i < ids->n_maps; i++)
		assert_true(is_gone(bpf_map_get_fd_by_id, ids->maps[i]));
}

static void assert_forwarding(bool on)
{
	run(on ? "grep -q 1 /proc/sys/net/ipv4/conf/lo/forwarding && "
		 "grep -q 1 /proc/sys/net/ipv6/conf/lo/forwarding"
	       : "grep -q 0 /proc/sys/net/ipv4/conf/lo/forwarding && "
		 "grep -q 0 /proc/sys/net/ipv6/conf/lo/forwarding");
	run("grep -q 0 /proc/sys/net/ipv4/conf/srv/forwarding");
}

/* --- Tests ---------------------------------------------------------------------------------- */

static void test_it_attaches_native_and_leaves_nothing_when_it_closes(void **state)
{
	struct inlay_turn *turn = open_plainly();
	struct inlay_turn_link_info info = link_info(turn, "srv");
	struct ids ids;

	assert_string_equal(info.ingress, "native");
	/* Both ends of the pair have a program, so each takes what is redirected to it. */
	assert_true(info.xdp_tx);
	assert_true(info.xdp_redirect_to);
	assert_null(info.why);
	assert_string_equal(link_info(turn, "lo").ingress, "none");
	read_ids(&ids);
	assert_true(ids.n_maps >= 12);
	assert_int_equal(ids.n_programs, 3);
	/* XDP, ingress and egress on two, egress on lo. */
	assert_int_equal(ids.n_links, 7);
	inlay_turn_close(turn);
	assert_all_gone(&ids);
}

static void test_tc_is_used_where_it_is_asked_for(void **state)
{
	struct inlay_turn_config config = {.mode = INLAY_TURN_RELAY,
					   .interfaces = veth_names,
					   .n_interfaces = 1,
					   .attach = INLAY_TURN_ATTACH_TC};
	struct inlay_turn *turn = open_turn(&config);
	struct ids ids;

	assert_string_equal(link_info(turn, "srv").ingress, "tc");
	assert_false(link_info(turn, "srv").xdp_tx);
	assert_string_equal(link_info(turn, "far").ingress, "none");
	read_ids(&ids);
	inlay_turn_close(turn);
	assert_all_gone(&ids);
}

/* The kernel says only then where a packet would go. */
static void test_lo_forwards_while_it_is_open(void **state)
{
	struct inlay_turn *turn;

	run("echo 0 >/proc/sys/net/ipv4/ip_forward; "
	    "echo 0 >/proc/sys/net/ipv4/conf/lo/forwarding");
	turn = open_plainly();
	assert_forwarding(true);
	inlay_turn_close(turn);
	assert_forwarding(false);
}

static void test_an_allocation_goes_in_and_out(void **state)
{
	struct inlay_turn *turn = open_plainly();
	struct inlay_addr peer = v4("198.51.100.9", 5000);
	struct inlay_turn_allocation_params params = {.client = v4("203.0.113.5", 4000),
						      .server = v4("192.0.2.1", 3478),
						      .relayed = v4("192.0.2.1", 49152),
						      .until = INLAY_NEVER};
	struct inlay_turn_channel_info info;
	struct inlay_turn_id id;
	struct ids ids;

	assert_int_equal(inlay_turn_allocation_add(turn, &params, &id), 0);
	assert_int_equal(inlay_turn_permission_set(turn, id, &peer, INLAY_NEVER), 0);
	assert_int_equal(inlay_turn_channel_set(turn, id, 0x4000, &peer, INLAY_NEVER), 0);
	assert_int_equal(inlay_turn_channel_set(turn, id, 0x4001, &peer, INLAY_NEVER), -EEXIST);
	assert_int_equal(inlay_turn_channel_read(turn, id, 0x4000, &info), 0);
	assert_int_equal(info.stats.to_peer_packets, 0);
	assert_int_equal(info.permission_until, INLAY_NEVER);
	assert_int_equal(inlay_turn_allocation_remove(turn, id), 0);
	assert_int_equal(inlay_turn_channel_read(turn, id, 0x4000, &info), -ESTALE);
	read_ids(&ids);
	inlay_turn_close(turn);
	assert_all_gone(&ids);
}

static void test_a_missing_object_is_said(void **state)
{
	struct inlay_turn_config config = {.object = "/nonexistent/turn.bpf.o"};
	struct inlay_turn *turn = NULL;
	char error[256] = "";

	assert_int_equal(inlay_turn_open(&config, &turn, error, sizeof(error)), -ENOENT);
	assert_null(turn);
	assert_non_null(strstr(error, "/nonexistent/turn.bpf.o"));
}

static void test_a_named_interface_that_is_not_there_is_said(void **state)
{
	static const char *const names[] = {"nosuch0"};
	struct inlay_turn_config config = {
		.object = object, .interfaces = names, .n_interfaces = 1, .mode = INLAY_TURN_RELAY};
	struct inlay_turn *turn = NULL;
	char error[256] = "";
	struct ids ids;

	assert_int_equal(inlay_turn_open(&config, &turn, error, sizeof(error)), -ENOENT);
	assert_non_null(strstr(error, "nosuch0"));
	read_ids(&ids);
	assert_int_equal(ids.n_maps + ids.n_programs + ids.n_links, 0);
}

static void test_an_interface_that_comes_later_is_attached_and_forgotten_again(void **state)
{
	struct inlay_turn *turn = open_plainly();
	inlay_ns now = clock_now();
	struct pollfd fd = {.fd = inlay_turn_fd(turn), .events = POLLIN};

	inlay_turn_turn(turn, now);
	run("ip link add late type veth peer name late2 && ip link set late up && "
	    "ip link set late2 up");
	assert_int_equal(poll(&fd, 1, 1000), 1);
	inlay_turn_turn(turn, now + INLAY_S);
	assert_string_equal(link_info(turn, "late").ingress, "native");
	run("ip link del late");
	assert_int_equal(poll(&fd, 1, 1000), 1);
	inlay_turn_turn(turn, now + 2 * INLAY_S);
	assert_false(has_link(turn, "late"));
	inlay_turn_close(turn);
}

static int may_run(void)
{
	int fd;

	if (unshare(CLONE_NEWNET)) {
		printf("1..0 # SKIP a network namespace of its own needs root\n");
		return 77;
	}
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "probe", 4, 8, 1, NULL);
	if (fd < 0) {
		printf("1..0 # SKIP BPF maps need root, or CAP_BPF\n");
		return 77;
	}
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_it_attaches_native_and_leaves_nothing_when_it_closes,
				       make_scene),
		cmocka_unit_test_setup(test_tc_is_used_where_it_is_asked_for, make_scene),
		cmocka_unit_test_setup(test_lo_forwards_while_it_is_open, make_scene),
		cmocka_unit_test_setup(test_an_allocation_goes_in_and_out, make_scene),
		cmocka_unit_test_setup(test_a_missing_object_is_said, make_scene),
		cmocka_unit_test_setup(test_a_named_interface_that_is_not_there_is_said,
				       make_scene),
		cmocka_unit_test_setup(
			test_an_interface_that_comes_later_is_attached_and_forgotten_again,
			make_scene),
	};
	int skip = may_run();

	if (argc != 2) {
		fprintf(stderr, "usage: turn_library OBJECT\n");
		return 2;
	}
	object = argv[1];
	return skip ? skip : cmocka_run_group_tests(tests, NULL, NULL);
}
