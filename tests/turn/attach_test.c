/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libinlay-turn against the kernel: where its programs stand, beside whom, and that they go.
 *
 * usage: turn_attach OBJECT OTHER_OBJECT
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "attach.h"
#include "library_scene.h"
#include "xdp_features.h"

/* A program of somebody else's that passes everything. */
static int their_program(enum bpf_prog_type type, const char *name, int verdict)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = verdict},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(type, name, "GPL", insns, INLAY_ARRAY_SIZE(insns), NULL);

	assert_true(fd >= 0);
	return fd;
}

/* They stand at an interface by netlink, as iproute2 and most others do it. */
static void attach_theirs(const char *name)
{
	int fd = their_program(BPF_PROG_TYPE_XDP, "theirs", 2 /* XDP_PASS */);

	assert_int_equal(bpf_xdp_attach((int)if_nametoindex(name), fd, 0, NULL), 0);
	close(fd);
}

static __u32 xdp_program(const char *name)
{
	__u32 id = 0;

	assert_int_equal(bpf_xdp_query_id((int)if_nametoindex(name), 0, &id), 0);
	return id;
}

static void assert_forwarding(bool on)
{
	scene_run(on ? "grep -q 1 /proc/sys/net/ipv4/conf/lo/forwarding && "
		       "grep -q 1 /proc/sys/net/ipv6/conf/lo/forwarding"
		     : "grep -q 0 /proc/sys/net/ipv4/conf/lo/forwarding && "
		       "grep -q 0 /proc/sys/net/ipv6/conf/lo/forwarding");
	scene_run("grep -q 0 /proc/sys/net/ipv4/conf/srv/forwarding");
}

/* Of the kernel's ABI; Debian 12's headers lack it. */
#define TCX_INGRESS ((enum bpf_attach_type)46)

static bool has_tcx(void)
{
	int program = their_program(BPF_PROG_TYPE_SCHED_CLS, "theirs", -1);
	int link = bpf_link_create(program, (int)if_nametoindex("lo"), TCX_INGRESS, NULL);

	close(program);
	if (link >= 0)
		close(link);
	return link >= 0;
}

static void ignore_features(void *user, __u32 ifindex, __u64 features)
{
}

/* Does this kernel say what takes redirected frames? */
static bool tells_features(void)
{
	struct inlay_genl *genl;
	int err;

	assert_int_equal(inlay_genl_new(&genl), 0);
	err = inlay_turn_xdp_features(genl, ignore_features, NULL);
	inlay_genl_free(genl);
	return !err;
}

/* --- Modes ---------------------------------------------------------------------------------- */

static void test_it_attaches_native_and_leaves_nothing_when_it_closes(void **state)
{
	bool tcx = has_tcx(), tells = tells_features();
	struct inlay_turn *turn = scene_open_plainly();
	struct inlay_turn_link_info info = scene_link(turn, "srv");
	struct scene_ids ids;

	assert_string_equal(info.ingress, "native");
	/* Both ends of the pair have a program, so each takes what is redirected to it. */
	assert_int_equal(info.xdp_redirect_to, tells);
	assert_false(info.xdp_tx); /* a veth's may lie about: see links.c */
	if (tells)
		assert_null(info.why);
	else
		assert_non_null(strstr(info.why, "6.3 or newer"));
	assert_string_equal(scene_link(turn, "lo").ingress, "none");
	scene_read_ids(&ids);
	assert_true(ids.n_maps >= 12);
	assert_int_equal(ids.n_programs, 3);
	/* XDP, ingress and egress on two, egress on lo; all but XDP by filters before tcx. */
	assert_int_equal(ids.n_links, tcx ? 7 : 2);
	if (!tcx)
		scene_run("for i in srv far lo; do tc filter show dev $i egress; done | "
			  "grep -c turn_egress | grep -qx 3");
	scene_close(turn);
	assert_int_equal(xdp_program("srv"), 0);
	scene_run("! tc qdisc show | grep clsact");
}

static const char *const only_srv[] = {"srv"};

static struct inlay_turn_config only(enum inlay_turn_attach attach)
{
	struct inlay_turn_config config = {.mode = INLAY_TURN_RELAY,
					   .object = scene_object,
					   .interfaces = only_srv,
					   .n_interfaces = 1,
					   .attach = attach};

	return config;
}

static void test_tc_and_generic_are_used_where_they_are_asked_for(void **state)
{
	struct inlay_turn_config config = only(INLAY_TURN_ATTACH_TC);
	struct inlay_turn *turn = scene_open(&config);

	assert_string_equal(scene_link(turn, "srv").ingress, "tc");
	assert_false(scene_link(turn, "srv").xdp_tx);
	assert_string_equal(scene_link(turn, "far").ingress, "none");
	assert_int_equal(xdp_program("srv"), 0);
	scene_close(turn);
	config.attach = INLAY_TURN_ATTACH_GENERIC;
	turn = scene_open(&config);
	assert_string_equal(scene_link(turn, "srv").ingress, "generic");
	assert_true(scene_link(turn, "srv").xdp_redirect_to);
	scene_close(turn);
}

static void test_what_a_veth_takes_follows_its_peer_within_a_second(void **state)
{
	struct inlay_turn_config config = only(INLAY_TURN_ATTACH_AUTO);
	struct inlay_turn *turn;
	inlay_ns now = scene_now();

	if (!tells_features())
		skip(); /* a kernel before 6.3 */
	turn = scene_open(&config);
	assert_string_equal(scene_link(turn, "srv").ingress, "native");
	assert_false(scene_link(turn, "srv").xdp_redirect_to);
	assert_false(scene_link(turn, "srv").xdp_tx);
	assert_non_null(strstr(scene_link(turn, "srv").why, "gro on"));
	scene_run("ethtool -K far gro on");
	(void)inlay_turn_turn(turn, now + 2 * INLAY_S);
	assert_true(scene_link(turn, "srv").xdp_redirect_to);
	scene_run("ethtool -K far gro off");
	(void)inlay_turn_turn(turn, now + 4 * INLAY_S);
	assert_false(scene_link(turn, "srv").xdp_redirect_to);
	scene_close(turn);
}

/* The kernel says only then where a packet would go. */
static void test_lo_forwards_while_it_is_open(void **state)
{
	struct inlay_turn *turn;

	scene_run("echo 0 >/proc/sys/net/ipv4/ip_forward; "
		  "echo 0 >/proc/sys/net/ipv4/conf/lo/forwarding");
	turn = scene_open_plainly();
	assert_forwarding(true);
	scene_close(turn);
	assert_forwarding(false);
}

/* As in a container: said, since nothing goes fast then unless the host forwards anyway. */
static void test_a_way_that_cannot_be_asked_for_is_said(void **state)
{
	struct inlay_turn *turn;

	assert_int_equal(unshare(CLONE_NEWNS), 0);
	scene_run("mount --make-rprivate / && mount --bind /proc/sys /proc/sys && "
		  "mount -o remount,ro,bind /proc/sys");
	turn = scene_open_plainly();
	scene_run("umount /proc/sys");
	assert_string_equal(scene_link(turn, "srv").ingress, "native");
	assert_non_null(strstr(scene_link(turn, "srv").why, "lo.forwarding"));
	scene_close(turn);
}

static void test_off_detaches_at_once_and_on_attaches_again(void **state)
{
	struct inlay_turn *turn = scene_open_plainly();
	struct scene_ids ids;

	inlay_turn_set_mode(turn, INLAY_TURN_OFF);
	assert_int_equal(scene_control().mode, INLAY_TURN_OFF);
	scene_read_ids(&ids);
	assert_int_equal(ids.n_links, 0);
	assert_int_equal(xdp_program("srv"), 0);
	assert_string_equal(scene_link(turn, "srv").ingress, "none");
	assert_string_equal(scene_link(turn, "srv").why, "turned off");
	/* What comes and goes meanwhile is not attached either. */
	scene_run("ip link add late type veth peer name late2 && ip link set late up");
	(void)inlay_turn_turn(turn, scene_now());
	assert_string_equal(scene_link(turn, "late").ingress, "none");
	inlay_turn_set_mode(turn, INLAY_TURN_OBSERVE);
	assert_int_equal(scene_control().mode, INLAY_TURN_OBSERVE);
	assert_string_equal(scene_link(turn, "srv").ingress, "native");
	scene_close(turn);
}

/* --- Interfaces come and go ----------------------------------------------------------------- */

static void test_an_interface_that_comes_later_is_attached_and_forgotten_again(void **state)
{
	struct inlay_turn *turn = scene_open_plainly();
	struct pollfd fd = {.fd = inlay_turn_fd(turn), .events = POLLIN};
	struct inlay_turn_link_info info;
	inlay_ns now = scene_now();

	(void)inlay_turn_turn(turn, now);
	scene_run("ip link add late type veth peer name late2 && ip link set late up && "
		  "ip link set late2 up");
	assert_int_equal(poll(&fd, 1, 20000), 1);
	(void)inlay_turn_turn(turn, now + INLAY_S);
	assert_string_equal(scene_link(turn, "late").ingress, "native");
	/* Before 6.2 none that is up gets another name. */
	scene_run("ip link set late name later 2>/dev/null || "
		  "{ ip link set late down && ip link set late name later && "
		  "ip link set later up; }");
	(void)inlay_turn_turn(turn, now + 2 * INLAY_S);
	assert_string_equal(scene_link(turn, "later").ingress, "native");
	scene_run("ip link del later");
	(void)inlay_turn_turn(turn, now + 3 * INLAY_S);
	assert_false(scene_has_link(turn, "later", &info));
	scene_close(turn);
}

static void test_an_interface_is_attached_when_it_comes_up(void **state)
{
	struct inlay_turn *turn;

	scene_run("ip link set srv down");
	turn = scene_open_plainly();
	assert_string_equal(scene_link(turn, "srv").ingress, "none");
	assert_string_equal(scene_link(turn, "srv").why, "it is down");
	scene_run("ip link set srv up");
	(void)inlay_turn_turn(turn, scene_now() + INLAY_S);
	assert_string_equal(scene_link(turn, "srv").ingress, "native");
	scene_close(turn);
}

static void test_a_port_is_left_to_its_bridge(void **state)
{
	struct inlay_turn *turn = scene_open_plainly();

	scene_run("ip link add bridge0 type bridge && ip link set bridge0 up && "
		  "ip link set far master bridge0");
	(void)inlay_turn_turn(turn, scene_now() + INLAY_S);
	assert_string_equal(scene_link(turn, "far").ingress, "none");
	assert_int_equal(xdp_program("far"), 0);
	/* A bridge has no XDP of its own. */
	assert_string_equal(scene_link(turn, "bridge0").ingress, "tc");
	assert_string_equal(scene_link(turn, "bridge0").why, "its driver has no XDP");
	scene_run("ip link set far nomaster");
	(void)inlay_turn_turn(turn, scene_now() + 2 * INLAY_S);
	assert_string_equal(scene_link(turn, "far").ingress, "native");
	scene_close(turn);
}

static void test_a_named_interface_that_is_not_there_is_said(void **state)
{
	static const char *const names[] = {"srv", "nosuch0"};
	struct inlay_turn_config config = only(INLAY_TURN_ATTACH_AUTO);

	config.interfaces = names;
	config.n_interfaces = 2;
	scene_open_fails(&config, -ENOENT, "nosuch0");
}

/* --- Beside others -------------------------------------------------------------------------- */

static void test_another_xdp_program_is_left_alone_and_tc_used(void **state)
{
	struct inlay_turn *turn;
	__u32 theirs;

	attach_theirs("srv");
	theirs = xdp_program("srv");
	turn = scene_open_plainly();
	assert_string_equal(scene_link(turn, "srv").ingress, "tc");
	assert_non_null(strstr(scene_link(turn, "srv").why, "another XDP program"));
	assert_string_equal(scene_link(turn, "far").ingress, "native");
	assert_int_equal(xdp_program("srv"), theirs);
	/* Nor is its place taken when it goes: it may only be about to be replaced. */
	assert_int_equal(bpf_xdp_detach((int)if_nametoindex("srv"), 0, NULL), 0);
	(void)inlay_turn_turn(turn, scene_now() + INLAY_S);
	assert_int_equal(xdp_program("srv"), 0);
	assert_string_equal(scene_link(turn, "srv").ingress, "tc");
	attach_theirs("srv");
	theirs = xdp_program("srv");
	scene_close(turn);
	assert_int_equal(xdp_program("srv"), theirs);
}

static void test_native_where_it_cannot_be_is_said_and_leaves_nothing(void **state)
{
	static const char *const names[] = {"far", "srv"};
	struct inlay_turn_config config = only(INLAY_TURN_ATTACH_NATIVE);
	__u32 theirs;

	config.interfaces = names;
	config.n_interfaces = 2;
	attach_theirs("srv");
	theirs = xdp_program("srv");
	scene_open_fails(&config, -EBUSY, "srv");
	assert_int_equal(xdp_program("srv"), theirs);
	assert_int_equal(xdp_program("far"), 0);
}

static void test_tcx_stands_behind_those_that_are_there(void **state)
{
	int theirs = their_program(BPF_PROG_TYPE_SCHED_CLS, "theirs", -1), ours;
	int ifindex = (int)if_nametoindex("srv"), link;
	__u32 ids[4] = {0}, n = 4, len = sizeof(struct bpf_prog_info);
	struct bpf_prog_info their_info = {0}, our_info = {0};
	struct inlay_turn *turn;

	if (!has_tcx()) {
		close(theirs);
		skip(); /* a kernel before 6.6 */
	}
	link = bpf_link_create(theirs, ifindex, TCX_INGRESS, NULL);
	assert_true(link >= 0);
	turn = scene_open_plainly();
	ours = scene_program("turn_ingress");
	assert_int_equal(bpf_obj_get_info_by_fd(theirs, &their_info, &len), 0);
	assert_int_equal(bpf_obj_get_info_by_fd(ours, &our_info, &len), 0);
	assert_int_equal(bpf_prog_query(ifindex, TCX_INGRESS, 0, NULL, ids, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(ids[0], their_info.id);
	assert_int_equal(ids[1], our_info.id);
	close(ours);
	inlay_turn_close(turn);
	n = 4;
	assert_int_equal(bpf_prog_query(ifindex, TCX_INGRESS, 0, NULL, ids, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(ids[0], their_info.id);
	close(link);
	close(theirs);
}

static int open_descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Wherever it stops half way through, nothing stays behind. */
static void test_too_few_descriptors_at_any_point_leave_nothing(void **state)
{
	struct inlay_turn_config config = only(INLAY_TURN_ATTACH_AUTO);
	int before = open_descriptors(), failures = 0, err = -1;
	struct rlimit old, few;
	struct inlay_turn *turn;
	char error[256];

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	for (int n = 0; n < 100 && err; n++) {
		few = (struct rlimit){(rlim_t)(before + n), old.rlim_max};
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
		err = inlay_turn_open(&config, &turn, error, sizeof(error));
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
		failures += err != 0;
		assert_true(err == 0 || error[0]);
		if (!err)
			inlay_turn_close(turn);
		assert_int_equal(open_descriptors(), before);
		assert_int_equal(xdp_program("srv"), 0);
	}
	assert_int_equal(err, 0);
	assert_true(failures > 20);
	assert_forwarding(false);
	scene_run("! tc qdisc show dev srv | grep clsact");
}

static void test_a_filter_goes_with_its_qdisc_unless_somebody_else_uses_it(void **state)
{
	int ours = their_program(BPF_PROG_TYPE_SCHED_CLS, "turn_ingress", -1);
	int theirs = their_program(BPF_PROG_TYPE_SCHED_CLS, "somebody", -1);
	__u32 srv = if_nametoindex("srv");
	struct inlay_turn_hook in = INLAY_TURN_NO_HOOK, out = INLAY_TURN_NO_HOOK;
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 1, .priority = 1, .prog_fd = theirs);
	LIBBPF_OPTS(bpf_tc_hook, egress, .ifindex = (int)srv, .attach_point = BPF_TC_EGRESS);

	assert_int_equal(inlay_turn_hook_filter(&in, ours, srv, false, &out), 0);
	assert_int_equal(inlay_turn_hook_filter(&out, ours, srv, true, &in), 0);
	scene_run("tc filter show dev srv ingress | grep -q turn_ingress && "
		  "tc filter show dev srv egress | grep -q turn_ingress");
	/* Whichever goes last takes the qdisc along, if it came with us. */
	inlay_turn_hook_drop(&out);
	scene_run("tc filter show dev srv ingress | grep -q turn_ingress");
	inlay_turn_hook_drop(&in);
	scene_run("! tc qdisc show dev srv | grep clsact");
	assert_int_equal(inlay_turn_hook_filter(&in, ours, srv, false, &out), 0);
	assert_int_equal(inlay_turn_hook_filter(&out, ours, srv, true, &in), 0);
	assert_int_equal(bpf_tc_attach(&egress, &opts), 0);
	inlay_turn_hook_drop(&in);
	inlay_turn_hook_drop(&out);
	scene_run("tc qdisc show dev srv | grep -q clsact && "
		  "tc filter show dev srv egress | grep -q somebody");
	close(ours);
	close(theirs);
}

static void test_a_filter_that_was_left_behind_is_replaced_and_another_is_not(void **state)
{
	int ours = their_program(BPF_PROG_TYPE_SCHED_CLS, "turn_ingress", -1);
	int theirs = their_program(BPF_PROG_TYPE_SCHED_CLS, "somebody", -1);
	__u32 srv = if_nametoindex("srv");
	const struct inlay_turn_hook none = INLAY_TURN_NO_HOOK;
	struct inlay_turn_hook left = INLAY_TURN_NO_HOOK, hook = INLAY_TURN_NO_HOOK;

	assert_int_equal(inlay_turn_hook_filter(&left, ours, srv, false, &none), 0);
	assert_int_equal(inlay_turn_hook_filter(&hook, ours, srv, false, &none), 0);
	scene_run("test $(tc filter show dev srv ingress | grep -c turn_ingress) = 1");
	inlay_turn_hook_drop(&hook);
	left = none;
	assert_int_equal(inlay_turn_hook_filter(&hook, theirs, srv, false, &none), 0);
	assert_int_equal(inlay_turn_hook_filter(&left, ours, srv, false, &none), -EBUSY);
	assert_false(inlay_turn_hook_is_set(&left));
	scene_run("tc filter show dev srv ingress | grep -q somebody");
	inlay_turn_hook_drop(&hook);
	close(ours);
	close(theirs);
}

#define IN_SCENE(test) cmocka_unit_test_setup(test, scene_make)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		IN_SCENE(test_it_attaches_native_and_leaves_nothing_when_it_closes),
		IN_SCENE(test_tc_and_generic_are_used_where_they_are_asked_for),
		IN_SCENE(test_what_a_veth_takes_follows_its_peer_within_a_second),
		IN_SCENE(test_lo_forwards_while_it_is_open),
		IN_SCENE(test_a_way_that_cannot_be_asked_for_is_said),
		IN_SCENE(test_off_detaches_at_once_and_on_attaches_again),
		IN_SCENE(test_an_interface_that_comes_later_is_attached_and_forgotten_again),
		IN_SCENE(test_an_interface_is_attached_when_it_comes_up),
		IN_SCENE(test_a_port_is_left_to_its_bridge),
		IN_SCENE(test_a_named_interface_that_is_not_there_is_said),
		IN_SCENE(test_another_xdp_program_is_left_alone_and_tc_used),
		IN_SCENE(test_native_where_it_cannot_be_is_said_and_leaves_nothing),
		IN_SCENE(test_tcx_stands_behind_those_that_are_there),
		IN_SCENE(test_too_few_descriptors_at_any_point_leave_nothing),
		IN_SCENE(test_a_filter_goes_with_its_qdisc_unless_somebody_else_uses_it),
		IN_SCENE(test_a_filter_that_was_left_behind_is_replaced_and_another_is_not),
	};
	int err = scene_begin(argc, argv);

	return err ? err : cmocka_run_group_tests(tests, NULL, NULL);
}
