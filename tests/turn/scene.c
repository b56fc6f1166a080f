/* SPDX-License-Identifier: BSD-2-Clause */
/* See scene.h. */
#include "scene.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define MAX_CPUS     1024
#define LIFETIME     (600 * INLAY_S)
#define RELAYED_PORT 50000
#define NO_HEADROOM                                                                                \
	216 /* metadata that leave none: the kernel gives a test 256 bytes, and takes              \
	     * 40 of them */

enum { N_ENDS = RELAYED + N_FLOWS };

static struct bpf_object *object;
static struct ring_buffer *rings[2];
static int n_cpus;
static struct {
	struct inlay_turn_event *to;
	size_t len;
} popped;

void die(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

void skip(const char *why)
{
	printf("1..0 # SKIP %s\n", why);
	exit(77);
}

inlay_ns scene_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (inlay_ns)ts.tv_sec * INLAY_S + (inlay_ns)ts.tv_nsec;
}

/* --- Addresses ------------------------------------------------------------------------------- */

static struct inlay_addr address(const char *ip, __u32 port)
{
	struct inlay_addr a = {.port = htons((__u16)port)};

	a.family = strchr(ip, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(a.family, ip, a.ip) != 1)
		die(ip);
	return a;
}

/* In which of the two families |flow| has its relayed address, and its client. */
static bool relayed_is_v6(__u32 flow)
{
	return flow < FLOW_PAIRS ? flow & 1 : (flow - FLOW_PAIRS) >> 2 & 1;
}

static bool client_is_v6(__u32 flow)
{
	if (flow < FLOW_PAIRS)
		return flow >> 1 & 1;
	return (flow - FLOW_PAIRS) & 1 ? (flow - FLOW_PAIRS) >> 3 & 1
				       : (flow - FLOW_PAIRS) >> 1 & 1;
}

int end_relayed(__u32 flow)
{
	return RELAYED + (int)flow;
}

struct inlay_addr end_addr(int end)
{
	static const struct {
		const char *ip;
		__u16 port;
	} ends[] = {
		[CLIENT4] = {"10.1.0.2", 5000}, [CLIENT6] = {"fd01::2", 5000},
		[SECOND4] = {"10.1.0.3", 5001}, [SECOND6] = {"fd01::3", 5001},
		[SERVER4] = {"10.1.0.1", 3478}, [SERVER6] = {"fd01::1", 3478},
		[PEER4] = {"10.2.0.2", 7000},	[PEER6] = {"fd02::2", 7000},
	};

	if (end < RELAYED)
		return address(ends[end].ip, ends[end].port);
	return address(relayed_is_v6((__u32)end - RELAYED) ? "fd02::1" : "10.2.0.1",
		       RELAYED_PORT + (__u32)end);
}

void link_mac(enum link link, bool ours, __u8 *ret_mac)
{
	const __u8 mac[6] = {2, 0, 0, 0, (__u8)(link + 1), ours ? 1 : 2};

	memcpy(ret_mac, mac, sizeof(mac));
}

/* --- The host -------------------------------------------------------------------------------- */

static void build_host(struct scene *s)
{
	static const char script[] =
		"set -e\n"
		"ip link add c0 address 02:00:00:00:01:01 type veth peer name c1\n"
		"ip link add p0 address 02:00:00:00:02:01 type veth peer name p1\n"
		"for i in c0 c1 p0 p1; do ip link set $i addrgenmode none up; done\n"
		"ip link set lo up\n"
		"ip addr add 10.1.0.1/24 dev c0; ip addr add fd01::1/64 dev c0 nodad\n"
		"ip addr add 10.2.0.1/24 dev p0; ip addr add fd02::1/64 dev p0 nodad\n"
		"for n in 2 3; do\n"
		"ip neigh add 10.1.0.$n lladdr 02:00:00:00:01:02 dev c0 nud permanent\n"
		"ip neigh add fd01::$n lladdr 02:00:00:00:01:02 dev c0 nud permanent\n"
		"done\n"
		"ip neigh add 10.2.0.2 lladdr 02:00:00:00:02:02 dev p0 nud permanent\n"
		"ip neigh add fd02::2 lladdr 02:00:00:00:02:02 dev p0 nud permanent\n"
		"ip route add 10.3.0.0/24 via 10.2.0.2 mtu lock 600\n"
		"ip route add blackhole 10.4.0.0/24\n"
		"echo 1 >/proc/sys/net/ipv4/conf/lo/forwarding\n"
		"echo 1 >/proc/sys/net/ipv6/conf/lo/forwarding\n";

	if (unshare(CLONE_NEWNET))
		skip("a network namespace of its own needs root");
	if (system(script))
		skip("no veth pairs are to be had");
	s->ifindex[TO_CLIENTS] = if_nametoindex("c0");
	s->ifindex[TO_PEERS] = if_nametoindex("p0");
}

static int be_silent(enum libbpf_print_level level, const char *format, va_list args)
{
	return 0;
}

static int map_fd(const char *name)
{
	int fd = bpf_object__find_map_fd_by_name(object, name);

	if (fd < 0)
		die(name);
	return fd;
}

static void *memory_of(const char *name)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, name);
	size_t len;
	void *memory;

	if (!map)
		die(name);
	len = (size_t)bpf_map__max_entries(map) * bpf_map__value_size(map);
	memory = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
	if (memory == MAP_FAILED)
		die(name);
	return memory;
}

/* One at a time. */
static int on_record(void *ctx, void *data, size_t len)
{
	popped.len = len < FRAME_MAX ? len : FRAME_MAX;
	memcpy(popped.to, data, popped.len);
	return -ECANCELED;
}

void scene_open(struct scene *s, const char *path)
{
	static const char *const names[] = {"turn_xdp", "turn_ingress", "turn_egress"};
	static const char *const ring_names[] = {"turn_requests", "turn_responses"};

	n_cpus = libbpf_num_possible_cpus();
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	libbpf_set_print(be_silent);
	object = bpf_object__open_file(path, NULL);
	if (n_cpus < 1 || n_cpus > MAX_CPUS || !object)
		die(path);
	if (bpf_object__load(object)) {
		if (errno == EPERM || errno == ENOSYS)
			skip("loading BPF programs needs root, or CAP_BPF and CAP_NET_ADMIN");
		die("load");
	}
	build_host(s);
	for (int i = 0; i < N_PROGRAMS; i++)
		s->programs[i] =
			bpf_program__fd(bpf_object__find_program_by_name(object, names[i]));
	for (int i = 0; i < 2; i++) {
		rings[i] = ring_buffer__new(map_fd(ring_names[i]), on_record, NULL, NULL);
		if (!rings[i])
			die(ring_names[i]);
	}
	s->flows = memory_of("turn_flows");
	s->allocations = memory_of("turn_allocations");
	s->control = memory_of("turn_control");
	s->lost = memory_of("turn_lost");
}

/* --- Tables ---------------------------------------------------------------------------------- */

static void update(const char *map, const void *key, const void *value)
{
	if (bpf_map_update_elem(map_fd(map), key, value, BPF_ANY))
		die(map);
}

static void fill_flow(struct scene *s, __u32 i)
{
	struct inlay_turn_flow *f = &s->flows[i];
	inlay_ns until = scene_now() + LIFETIME;
	bool second = i >= FLOW_PAIRS && (i - FLOW_PAIRS) & 1;

	*f = (struct inlay_turn_flow){
		.generation = SCENE_GENERATION + i,
		.state = INLAY_TURN_FAST,
		.channel_until = until,
		.permission_until = until,
		.client = end_addr((second ? SECOND4 : CLIENT4) + client_is_v6(i)),
		.server = end_addr(SERVER4 + client_is_v6(i)),
		.relayed = end_addr(end_relayed(i)),
		.allocation = N_FLOWS - i,
		.channel = htons((__u16)(INLAY_TURN_CHANNEL_MIN + i)),
	};
	f->peer = end_addr(i < FLOW_PAIRS ? PEER4 + relayed_is_v6(i)
					  : end_relayed(((i - FLOW_PAIRS) ^ 1) + FLOW_PAIRS));
	s->allocations[N_FLOWS - i] = (struct inlay_turn_allocation){.until = until};
}

static struct inlay_turn_client_key client_key(__u32 flow)
{
	bool second = flow >= FLOW_PAIRS && (flow - FLOW_PAIRS) & 1;

	return (struct inlay_turn_client_key){
		.client = end_addr((second ? SECOND4 : CLIENT4) + client_is_v6(flow)),
		.server = end_addr(SERVER4 + client_is_v6(flow)),
		.channel = htons((__u16)(INLAY_TURN_CHANNEL_MIN + flow)),
	};
}

static struct inlay_turn_peer_key peer_key(__u32 flow)
{
	return (struct inlay_turn_peer_key){
		.relayed = end_addr(end_relayed(flow)),
		.peer = end_addr(flow < FLOW_PAIRS
					 ? PEER4 + relayed_is_v6(flow)
					 : end_relayed(((flow - FLOW_PAIRS) ^ 1) + FLOW_PAIRS)),
	};
}

void scene_ref(__u32 flow, struct inlay_turn_ref ref)
{
	struct inlay_turn_client_key client = client_key(flow);
	struct inlay_turn_peer_key peer = peer_key(flow);

	update("turn_clients", &client, &ref);
	update("turn_peers", &peer, &ref);
}

void scene_forget_channel(__u32 flow)
{
	struct inlay_turn_client_key key = client_key(flow);

	(void)bpf_map_delete_elem(map_fd("turn_clients"), &key);
}

void scene_forget_peer(__u32 flow)
{
	struct inlay_turn_peer_key key = peer_key(flow);

	(void)bpf_map_delete_elem(map_fd("turn_peers"), &key);
}

void scene_tie(const struct scene *s, __u32 flow)
{
	const struct inlay_turn_flow *f = &s->flows[flow];
	struct inlay_turn_ref ref = {.flow = flow, .generation = f->generation};
	struct inlay_turn_client_key client = {f->client, f->server, f->channel, 0};
	struct inlay_turn_peer_key peer = {f->relayed, f->peer};

	update("turn_clients", &client, &ref);
	update("turn_peers", &peer, &ref);
}

static struct inlay_turn_watched_key watched_key(const struct scene *s, __u32 flow)
{
	return (struct inlay_turn_watched_key){
		.peer = s->flows[flow].peer,
		.relayed_port = s->flows[flow].relayed.port,
	};
}

void scene_watch(struct scene *s, __u32 flow)
{
	struct inlay_turn_watched_key key = watched_key(s, flow);
	struct inlay_turn_ref ref = {.flow = flow, .generation = s->flows[flow].generation};

	s->flows[flow].state = INLAY_TURN_WATCHED;
	update("turn_watched", &key, &ref);
	scene_forget_peer(flow);
}

void scene_link(const struct scene *s, enum link link, __u32 flags)
{
	update("turn_links", &s->ifindex[link], &flags);
	s->control->hop_generation++;
}

static void clear_percpu(const char *map, __u32 n)
{
	static __u8 zero[MAX_CPUS * 512];

	for (__u32 i = 0; i < n; i++)
		update(map, &i, zero);
}

void scene_reset(struct scene *s)
{
	struct inlay_turn_event *event = malloc(FRAME_MAX);

	*s->control = (struct inlay_turn_control){
		.version = INLAY_TURN_ABI_VERSION,
		.mode = INLAY_TURN_RELAY,
		.alive_until = scene_now() + LIFETIME,
		.n_ports = 2,
		.ports = {htons(3479), htons(3478)},
	};
	for (__u32 i = 0; i < N_FLOWS; i++) {
		struct inlay_turn_watched_key key;

		fill_flow(s, i);
		key = watched_key(s, i);
		(void)bpf_map_delete_elem(map_fd("turn_watched"), &key);
		scene_ref(i, (struct inlay_turn_ref){i, s->flows[i].generation});
	}
	clear_percpu("turn_stats", N_FLOWS);
	clear_percpu("turn_reasons", INLAY_N_REASONS);
	for (int i = 0; i < N_LINKS; i++)
		scene_link(s, i, INLAY_TURN_LINK_XMIT | INLAY_TURN_LINK_TX | INLAY_TURN_LINK_TC);
	s->lost[0] = s->lost[1] = 0;
	while (scene_event(INLAY_TURN_REQUESTS, event) || scene_event(INLAY_TURN_RESPONSES, event))
		;
	free(event);
}

__u64 scene_reason(__u32 reason)
{
	__u64 counts[MAX_CPUS], sum = 0;

	if (bpf_map_lookup_elem(map_fd("turn_reasons"), &reason, counts))
		die("turn_reasons");
	for (int i = 0; i < n_cpus; i++)
		sum += counts[i];
	return sum;
}

void scene_stats(__u32 flow, struct inlay_turn_stats *ret)
{
	static struct inlay_turn_stats all[MAX_CPUS];

	memset(ret, 0, sizeof(*ret));
	if (bpf_map_lookup_elem(map_fd("turn_stats"), &flow, all))
		die("turn_stats");
	for (int i = 0; i < n_cpus; i++) {
		ret->to_peer_packets += all[i].to_peer_packets;
		ret->to_peer_bytes += all[i].to_peer_bytes;
		ret->to_client_packets += all[i].to_client_packets;
		ret->to_client_bytes += all[i].to_client_bytes;
		if (all[i].last > ret->last)
			ret->last = all[i].last;
	}
}

void scene_age_hops(__u32 flow)
{
	static struct inlay_turn_stats all[MAX_CPUS];

	if (bpf_map_lookup_elem(map_fd("turn_stats"), &flow, all))
		die("turn_stats");
	for (int i = 0; i < n_cpus; i++)
		all[i].to_peer.until = all[i].to_client.until = 1;
	update("turn_stats", &flow, all);
}

size_t scene_event(enum inlay_turn_ring ring, struct inlay_turn_event *event)
{
	popped.to = event;
	popped.len = 0;
	(void)ring_buffer__consume(rings[ring]);
	return popped.len;
}

/* --- Running --------------------------------------------------------------------------------- */

static void run_xdp(const struct scene *s, struct run *run)
{
	__u32 meta = run->no_headroom ? NO_HEADROOM : 0;
	__u8 in[FRAME_MAX + NO_HEADROOM] = {0}, out[FRAME_MAX + NO_HEADROOM];
	struct xdp_md ctx = {
		.data = meta,
		.data_end = meta + (__u32)run->len,
		.ingress_ifindex = s->ifindex[run->in],
	};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in, .data_size_in = meta + (__u32)run->len,
		    .data_out = out, .data_size_out = sizeof(out), .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .ctx_out = &ctx, .ctx_size_out = sizeof(ctx),
		    .repeat = (int)run->repeat);

	memcpy(in + meta, run->frame, run->len);
	if (bpf_prog_test_run_opts(s->programs[XDP], &opts)) {
		run->impossible = run->no_headroom && errno == EINVAL;
		if (!run->impossible)
			die("run");
		return;
	}
	run->out_len = opts.data_size_out - ctx.data;
	memcpy(run->out, out + ctx.data, run->out_len);
	run->verdict = opts.retval;
	run->ns = opts.duration;
}

static void run_tc(const struct scene *s, struct run *run)
{
	struct __sk_buff ctx = {
		.ifindex = s->ifindex[run->in],
		.ingress_ifindex = run->through ? s->ifindex[!run->in] : 0,
		.gso_segs = run->segments,
		.gso_size = run->segments ? 100 : 0,
	};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = run->frame, .data_size_in = (__u32)run->len,
		    .data_out = run->out, .data_size_out = sizeof(run->out), .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .repeat = (int)run->repeat);

	if (bpf_prog_test_run_opts(s->programs[run->program], &opts))
		die("run");
	run->out_len = opts.data_size_out;
	run->verdict = opts.retval;
	run->ns = opts.duration;
}

void scene_run(const struct scene *s, struct run *run)
{
	run->impossible = false;
	if (run->program == XDP)
		run_xdp(s, run);
	else
		run_tc(s, run);
}
