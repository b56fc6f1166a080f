/* SPDX-License-Identifier: BSD-2-Clause */
/* See library_scene.h. */
#include "library_scene.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TRIES 30000

const char *scene_object, *scene_other_object;

int scene_begin(int argc, char **argv)
{
	int fd;

	if (argc != 3) {
		fprintf(stderr, "usage: %s OBJECT OTHER_OBJECT\n", argv[0]);
		return 2;
	}
	scene_object = argv[1];
	scene_other_object = argv[2];
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

void scene_run(const char *command)
{
	if (system(command)) {
		print_error("%s failed\n", command);
		fail();
	}
}

int scene_make(void **state)
{
	if (unshare(CLONE_NEWNET))
		return -1;
	scene_run("ip link set lo up && ip link add srv type veth peer name far && "
		  "ip addr add 192.0.2.1/24 dev srv && ip addr add 2001:db8::1/64 dev srv nodad && "
		  "ip link set srv up && ip link set far up");
	return 0;
}

inlay_ns scene_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (inlay_ns)ts.tv_sec * INLAY_S + (inlay_ns)ts.tv_nsec;
}

struct inlay_addr scene_v4(const char *ip, __u16 port)
{
	struct inlay_addr addr = {.family = AF_INET, .port = htons(port)};

	assert_int_equal(inet_pton(AF_INET, ip, addr.ip), 1);
	return addr;
}

/* --- The library ---------------------------------------------------------------------------- */

struct inlay_turn *scene_open(const struct inlay_turn_config *how)
{
	struct inlay_turn_config config = *how;
	struct inlay_turn *turn = NULL;
	char error[256];
	int err;

	config.object = scene_object;
	config.max_flows = config.max_flows ? config.max_flows : 64;
	config.max_allocations = config.max_allocations ? config.max_allocations : 16;
	err = inlay_turn_open(&config, &turn, error, sizeof(error));
	if (err)
		print_error("%s\n", error);
	assert_int_equal(err, 0);
	return turn;
}

struct inlay_turn *scene_open_plainly(void)
{
	struct inlay_turn_config config = {.mode = INLAY_TURN_RELAY};

	return scene_open(&config);
}

void scene_open_fails(const struct inlay_turn_config *config, int err, const char *part)
{
	struct inlay_turn *turn = NULL;
	struct scene_ids ids;
	char error[256] = "";

	assert_int_equal(inlay_turn_open(config, &turn, error, sizeof(error)), err);
	assert_null(turn);
	if (!strstr(error, part))
		print_error("no \"%s\" in \"%s\"\n", part, error);
	assert_non_null(strstr(error, part));
	scene_read_ids(&ids);
	assert_int_equal(ids.n_maps + ids.n_programs + ids.n_links, 0);
}

struct found {
	const char *name;
	struct inlay_turn_link_info *info;
	int n;
};

static void find_one(void *user, const struct inlay_turn_link_info *info)
{
	struct found *found = user;

	if (strcmp(info->name, found->name))
		return;
	*found->info = *info;
	found->n++;
}

bool scene_has_link(const struct inlay_turn *turn, const char *name,
		    struct inlay_turn_link_info *ret_info)
{
	struct found found = {.name = name, .info = ret_info};

	inlay_turn_links(turn, find_one, &found);
	return found.n == 1;
}

struct inlay_turn_link_info scene_link(const struct inlay_turn *turn, const char *name)
{
	struct inlay_turn_link_info info;

	assert_true(scene_has_link(turn, name, &info));
	return info;
}

/* --- The kernel ----------------------------------------------------------------------------- */

static void read_fdinfo(const char *path, struct scene_ids *ids)
{
	FILE *file = fopen(path, "r");
	bool is_link = false;
	char line[128];
	unsigned int id;

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "link_id: %u", &id) == 1) {
			is_link = true;
			ids->links[ids->n_links++ % SCENE_IDS] = id;
		}
		if (sscanf(line, "map_id: %u", &id) == 1)
			ids->maps[ids->n_maps++ % SCENE_IDS] = id;
		/* A link's has its program's, too. */
		if (sscanf(line, "prog_id: %u", &id) == 1 && !is_link)
			ids->programs[ids->n_programs++ % SCENE_IDS] = id;
	}
	if (file)
		fclose(file);
}

void scene_read_ids(struct scene_ids *ids)
{
	DIR *dir = opendir("/proc/self/fdinfo");
	struct dirent *entry;
	char path[300];

	*ids = (struct scene_ids){0};
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%s", entry->d_name);
		read_fdinfo(path, ids);
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
		(void)poll(NULL, 0, 1);
	}
	return false;
}

void scene_assert_gone(const struct scene_ids *ids)
{
	struct scene_ids now;

	scene_read_ids(&now);
	assert_int_equal(now.n_maps + now.n_programs + now.n_links, 0);
	for (int i = 0; i < ids->n_links; i++)
		assert_true(is_gone(bpf_link_get_fd_by_id, ids->links[i]));
	for (int i = 0; i < ids->n_programs; i++)
		assert_true(is_gone(bpf_prog_get_fd_by_id, ids->programs[i]));
	for (int i = 0; i < ids->n_maps; i++)
		assert_true(is_gone(bpf_map_get_fd_by_id, ids->maps[i]));
}

void scene_close(struct inlay_turn *turn)
{
	struct scene_ids ids;

	scene_read_ids(&ids);
	inlay_turn_close(turn);
	scene_assert_gone(&ids);
}

int scene_map(const char *name)
{
	struct scene_ids ids;

	scene_read_ids(&ids);
	for (int i = 0; i < ids.n_maps; i++) {
		struct bpf_map_info info = {0};
		__u32 len = sizeof(info);
		int fd = bpf_map_get_fd_by_id(ids.maps[i]);

		if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) &&
		    !strncmp(info.name, name, sizeof(info.name) - 1))
			return fd;
		close(fd);
	}
	print_error("no map %s\n", name);
	fail();
	return -1;
}

int scene_program(const char *name)
{
	struct scene_ids ids;

	scene_read_ids(&ids);
	for (int i = 0; i < ids.n_programs; i++) {
		struct bpf_prog_info info = {0};
		__u32 len = sizeof(info);
		int fd = bpf_prog_get_fd_by_id(ids.programs[i]);

		if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) &&
		    !strncmp(info.name, name, sizeof(info.name) - 1))
			return fd;
		close(fd);
	}
	print_error("no program %s\n", name);
	fail();
	return -1;
}

__u32 scene_count_keys(const char *map)
{
	struct inlay_turn_client_key key = {0};
	void *last = NULL;
	int fd = scene_map(map);
	__u32 n = 0;

	while (!bpf_map_get_next_key(fd, last, &key)) {
		last = &key;
		n++;
	}
	close(fd);
	return n;
}

struct inlay_turn_control scene_control(void)
{
	struct inlay_turn_control control;
	__u32 first = 0;
	int fd = scene_map("turn_control");

	assert_int_equal(bpf_map_lookup_elem(fd, &first, &control), 0);
	close(fd);
	return control;
}
