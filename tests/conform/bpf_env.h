/* SPDX-License-Identifier: BSD-2-Clause */
/* What cases of the suite bpf-offload are written with. */
#ifndef INLAY_TESTS_BPF_ENV_H
#define INLAY_TESTS_BPF_ENV_H

#include "case_check.h"
#include "conform.h"
#include "netdev.h"
#include "netlink.h"
#include "sim.h"

/* What cases need. */
enum offload_need {
	NEED_XDP = 1 << 0,   /* XDP programs on the device */
	NEED_TC = 1 << 1,    /* tc programs on the device */
	NEED_ARRAY = 1 << 2, /* maps on the device */
	NEED_HASH = 1 << 3,
	NEED_DRIVER = 1 << 4,  /* XDP in its driver */
	NEED_SIM = 1 << 5,     /* knobs, more ports, a second device, and it may be removed */
	NEED_OBJECTS = 1 << 6, /* the checker's objects */
};

struct offload_env {
	const struct conform_target *target;
	const char *failed_at;
	const char *failed_what;
	struct inlay_dev_error error; /* of the last call */
	struct sim sim;		      /* with NEED_SIM */
	struct inlay_dev dev;	      /* its first port, or the device under test */
	char detail[CONFORM_WHY];
};

struct offload_case {
	const char *name;
	const char *text;
	__u32 needs;
	int (*run)(struct offload_env *env);
};

#define CASE(case_name, needs, words) int offload_##case_name(struct offload_env *env);
#include "bpf_cases.def"
#undef CASE

/* --- What the checker predicts (bpf_predict.c) ------------------------------------------------ */

size_t predict_count(void);
void predict_describe(size_t i, struct conform_case *ret_case);
/* 0, -1, CONFORM_SKIP */
int predict_run(struct offload_env *env, size_t i);
/* NULL: the objects are there. Else why not. */
const char *predict_missing(void);

/* Objects that the build compiled. */
extern const unsigned char object_ret[], object_maps[];
extern const size_t object_ret_len, object_maps_len;

/* 0; -errno, with env->error. */
int load_xdp(struct offload_env *env, const struct inlay_dev *dev,
	     struct inlay_dev_program *ret_program);
int load_tc(struct offload_env *env, const struct inlay_dev *dev,
	    struct inlay_dev_program *ret_program);
int load_host_xdp(struct offload_env *env, struct inlay_dev_program *ret_program);
int load_host_tc(struct offload_env *env, struct inlay_dev_program *ret_program);
int load_maps(struct offload_env *env, struct inlay_dev_program *ret_program);

/* Shorter names for what cases do to env->dev. */
int xdp_attach(struct offload_env *env, enum inlay_dev_xdp mode, int fd);
int xdp_detach(struct offload_env *env, enum inlay_dev_xdp mode);
struct inlay_dev_xdp_state xdp_state(struct offload_env *env);
int tc_attach(struct offload_env *env, enum inlay_dev_tc mode, int fd);
/* The filters at the ingress; the first one. */
size_t tc_filters(struct offload_env *env, struct inlay_dev_filter *ret_first);

/* The kernel's words for the last failure contain |words|. */
bool said(const struct offload_env *env, const char *words);
/* A second simulated device, and its first port; taken away with the case. */
int second_sim(struct offload_env *env, struct sim *ret_sim, struct inlay_dev *ret_dev);
int open_port(struct offload_env *env, const struct sim *sim, __u32 port,
	      struct inlay_dev *ret_dev);
/* True: no program with this number is loaded any more (waits for the kernel, bounded). */
bool program_is_gone(__u32 id);
bool map_is_gone(__u32 id);

/* Is hw-tc-offload on? 0, 1; -errno. */
int tc_offload_is_on(const struct inlay_dev *dev);
/* ethtool -K DEV hw-tc-offload; ip link set DEV mtu. 0; -errno. */
int set_tc_offload(const struct inlay_dev *dev, bool on);
int set_mtu(const struct inlay_dev *dev, int mtu);

#endif
