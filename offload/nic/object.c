/* SPDX-License-Identifier: BSD-2-Clause */
#include "object.h"

#include <ctype.h>
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "object_impl.h"

#define INSN_BYTES   sizeof(struct bpf_insn)
#define SYMBOL_BYTES sizeof(Elf64_Sym)
#define TEXT_MAX     4096

/* --- Texts ------------------------------------------------------------------------------------ */

const char *inlay_strings_at(const struct inlay_strings *strings, __u64 at)
{
	size_t left;

	if (at >= strings->len)
		return "";
	/* A table of many megabytes without a zero is not searched for each of many names. */
	left = strings->len - at < TEXT_MAX ? strings->len - at : TEXT_MAX;
	return memchr(strings->text + at, '\0', left) ? strings->text + at : "";
}

void inlay_object_name(char to[INLAY_BPF_NAME], const char *from)
{
	size_t i;

	for (i = 0; i + 1 < INLAY_BPF_NAME && from[i]; i++)
		to[i] = from[i] > ' ' && from[i] < 0x7f ? from[i] : '?';
	to[i] = '\0';
}

/* --- Sections --------------------------------------------------------------------------------- */

static bool part_of(struct inlay_cursor file, __u64 offset, __u64 bytes, struct inlay_cursor *ret)
{
	return inlay_cursor_skip(&file, offset) && inlay_cursor_take(&file, bytes, ret);
}

bool inlay_object_bytes(const struct inlay_object_reader *r, const struct inlay_bpf_section *s,
			struct inlay_cursor *ret)
{
	return s->elf_type != SHT_NOBITS && part_of(r->file, s->offset, s->bytes, ret);
}

static bool strings_of(const struct inlay_object_reader *r, __u32 section,
		       struct inlay_strings *ret)
{
	struct inlay_cursor c;

	if (section >= r->object->n_sections ||
	    r->object->sections[section].elf_type != SHT_STRTAB ||
	    !inlay_object_bytes(r, &r->object->sections[section], &c))
		return false;
	*ret = (struct inlay_strings){.text = (const char *)inlay_cursor_at(&c),
				      .len = inlay_cursor_left(&c)};
	return true;
}

const struct inlay_bpf_section *inlay_object_section(const struct inlay_bpf_object *object,
						     const char *name)
{
	for (__u32 i = 0; i < object->n_sections; i++)
		if (!strcmp(object->sections[i].name, name))
			return &object->sections[i];
	return NULL;
}

/* Elf64_Ehdr. |ret_names|: the section of the sections' names. */
static int read_header(struct inlay_object_reader *r, struct inlay_cursor *ret_table,
		       __u32 *ret_names)
{
	struct inlay_cursor c = r->file;
	__u8 ident[EI_NIDENT];
	__u64 type, machine, shoff, shentsize, shnum, shstrndx;

	if (!inlay_cursor_copy(&c, ident, sizeof(ident)) || memcmp(ident, ELFMAG, SELFMAG))
		return inlay_object_refuse(r, "no ELF object: compile it with clang -target bpf");
	if (ident[EI_CLASS] != ELFCLASS64 || ident[EI_DATA] != ELFDATA2LSB)
		return inlay_object_refuse(r, "not a 64-bit little-endian object: compile it with "
					      "clang -target bpfel");
	if (!inlay_cursor_le(&c, 2, &type) || !inlay_cursor_le(&c, 2, &machine) ||
	    !inlay_cursor_skip(&c, 4 + 8 + 8) || !inlay_cursor_le(&c, 8, &shoff) ||
	    !inlay_cursor_skip(&c, 4 + 2 + 2 + 2) || !inlay_cursor_le(&c, 2, &shentsize) ||
	    !inlay_cursor_le(&c, 2, &shnum) || !inlay_cursor_le(&c, 2, &shstrndx))
		return inlay_object_refuse(r, "truncated: the ELF header ends early");
	if (machine != EM_BPF || type != ET_REL)
		return inlay_object_refuse(r, "no BPF object: its machine is %llu, its type %llu",
					   (unsigned long long)machine, (unsigned long long)type);
	if (!shnum || shnum > INLAY_BPF_SECTIONS || shentsize != sizeof(Elf64_Shdr))
		return inlay_object_refuse(r, "%llu sections; 1 to %d can be looked at",
					   (unsigned long long)shnum, INLAY_BPF_SECTIONS);
	if (!part_of(r->file, shoff, shnum * shentsize, ret_table))
		return inlay_object_refuse(r, "truncated: the table of sections is not there");
	r->object->n_sections = (__u32)shnum;
	*ret_names = (__u32)shstrndx;
	return 0;
}

static bool is_global_data(const char *name)
{
	static const char *const prefixes[] = {".rodata", ".data", ".bss"};

	for (size_t i = 0; i < INLAY_ARRAY_SIZE(prefixes); i++) {
		size_t len = strlen(prefixes[i]);

		if (!strncmp(name, prefixes[i], len) && (!name[len] || name[len] == '.'))
			return true;
	}
	return false;
}

static int read_sections(struct inlay_object_reader *r)
{
	struct inlay_bpf_object *o = r->object;
	struct inlay_strings names;
	struct inlay_cursor table;
	__u64 name[INLAY_BPF_SECTIONS], flags[INLAY_BPF_SECTIONS];
	__u32 names_at;
	int ret = read_header(r, &table, &names_at);

	if (ret)
		return ret;
	o->sections = calloc(o->n_sections, sizeof(*o->sections));
	if (!o->sections)
		return -ENOMEM;
	for (__u32 i = 0; i < o->n_sections; i++) {
		struct inlay_bpf_section *s = &o->sections[i];

		if (!inlay_cursor_le(&table, 4, &name[i]) ||
		    !inlay_cursor_le32(&table, &s->elf_type) ||
		    !inlay_cursor_le(&table, 8, &flags[i]) || !inlay_cursor_skip(&table, 8) ||
		    !inlay_cursor_le(&table, 8, &s->offset) ||
		    !inlay_cursor_le(&table, 8, &s->bytes) ||
		    !inlay_cursor_le32(&table, &s->link) || !inlay_cursor_le32(&table, &s->info) ||
		    !inlay_cursor_skip(&table, 8 + 8))
			return inlay_object_refuse(r, "truncated: section %u is not there", i);
	}
	if (!strings_of(r, names_at, &names))
		return inlay_object_refuse(r, "the names of its sections are not there");
	for (__u32 i = 0; i < o->n_sections; i++) {
		struct inlay_bpf_section *s = &o->sections[i];

		inlay_object_name(s->name, inlay_strings_at(&names, name[i]));
		s->is_code = s->elf_type == SHT_PROGBITS && flags[i] & SHF_EXECINSTR && s->bytes;
		s->is_global_data = !s->is_code && s->bytes && is_global_data(s->name);
		o->has_legacy_maps |=
			s->bytes && (!strcmp(s->name, "maps") || !strncmp(s->name, "maps/", 5));
	}
	return 0;
}

/* --- Code ------------------------------------------------------------------------------------- */

static int read_code(struct inlay_object_reader *r)
{
	struct inlay_bpf_object *o = r->object;
	__u64 total = 0;

	for (__u32 i = 0; i < o->n_sections; i++) {
		struct inlay_bpf_section *s = &o->sections[i];
		struct inlay_cursor c;
		const __u8 *p;

		if (!s->is_code)
			continue;
		if (s->bytes % INSN_BYTES || !inlay_object_bytes(r, s, &c) ||
		    !inlay_cursor_bytes(&c, s->bytes, &p))
			return inlay_object_refuse(r, "truncated: section %s is not whole",
						   s->name);
		total += s->bytes / INSN_BYTES;
		if (total > INLAY_BPF_INSNS)
			return inlay_object_refuse(r, "more than %u instructions", INLAY_BPF_INSNS);
		s->n_insns = (__u32)(s->bytes / INSN_BYTES);
		s->insns = malloc(s->bytes);
		s->refs = calloc(s->n_insns, sizeof(*s->refs));
		if (!s->insns || !s->refs)
			return -ENOMEM;
		memcpy(s->insns, p, s->bytes);
	}
	if (!total)
		return inlay_object_refuse(r, "no program in it");
	return 0;
}

bool inlay_object_symbol(const struct inlay_object_reader *r,
			 const struct inlay_bpf_section *symtab, __u64 i,
			 struct inlay_elf_symbol *ret)
{
	struct inlay_cursor c;
	__u64 name, section;
	__u8 info, other;

	if (i >= INLAY_BPF_SYMBOLS || !inlay_object_bytes(r, symtab, &c) ||
	    !inlay_cursor_skip(&c, i * SYMBOL_BYTES) || !inlay_cursor_le(&c, 4, &name) ||
	    !inlay_cursor_u8(&c, &info) || !inlay_cursor_u8(&c, &other) ||
	    !inlay_cursor_le(&c, 2, &section) || !inlay_cursor_le(&c, 8, &ret->value) ||
	    !inlay_cursor_le(&c, 8, &ret->bytes))
		return false;
	ret->name = inlay_strings_at(&r->symbol_names, name);
	ret->type = ELF64_ST_TYPE(info);
	ret->bind = ELF64_ST_BIND(info);
	ret->visibility = ELF64_ST_VISIBILITY(other);
	ret->section = (__u32)section;
	return true;
}

static bool is_function(const struct inlay_bpf_object *o, const struct inlay_elf_symbol *s)
{
	return s->type == STT_FUNC && s->section < o->n_sections && o->sections[s->section].is_code;
}

static int by_place(const void *a, const void *b)
{
	const struct inlay_bpf_function *f = a, *g = b;

	if (f->section != g->section)
		return f->section < g->section ? -1 : 1;
	return f->first < g->first ? -1 : f->first > g->first;
}

static int add_function(struct inlay_object_reader *r, const struct inlay_elf_symbol *s)
{
	struct inlay_bpf_object *o = r->object;
	const struct inlay_bpf_section *section = &o->sections[s->section];
	struct inlay_bpf_function *f = &o->functions[o->n_functions];

	if (s->value % INSN_BYTES || s->bytes % INSN_BYTES || !s->bytes ||
	    s->value >= section->bytes || s->bytes > section->bytes - s->value)
		return inlay_object_refuse(r, "a function of section %s stands outside of it",
					   section->name);
	*f = (struct inlay_bpf_function){
		.section = s->section,
		.first = (__u32)(s->value / INSN_BYTES),
		.n = (__u32)(s->bytes / INSN_BYTES),
		.is_global = s->bind == STB_GLOBAL && s->visibility == STV_DEFAULT,
		.insns = section->insns + s->value / INSN_BYTES,
		.refs = section->refs + s->value / INSN_BYTES,
	};
	inlay_object_name(f->name, *s->name ? s->name : "?");
	o->n_functions++;
	return 0;
}

static int read_functions(struct inlay_object_reader *r)
{
	struct inlay_bpf_object *o = r->object;
	const struct inlay_bpf_section *symtab = NULL;
	struct inlay_elf_symbol symbol;
	int ret = 0;

	for (__u32 i = 0; i < o->n_sections && !symtab; i++)
		if (o->sections[i].elf_type == SHT_SYMTAB)
			symtab = &o->sections[i];
	if (!symtab || !strings_of(r, symtab->link, &r->symbol_names))
		return inlay_object_refuse(r, "no symbols: do not strip it of more than -g");
	o->functions = calloc(INLAY_BPF_FUNCTIONS, sizeof(*o->functions));
	o->programs = calloc(INLAY_BPF_FUNCTIONS, sizeof(*o->programs));
	if (!o->functions || !o->programs)
		return -ENOMEM;
	for (__u64 i = 0; !ret && inlay_object_symbol(r, symtab, i, &symbol); i++) {
		if (!is_function(o, &symbol))
			continue;
		if (o->n_functions == INLAY_BPF_FUNCTIONS)
			return inlay_object_refuse(r, "more than %d functions",
						   INLAY_BPF_FUNCTIONS);
		ret = add_function(r, &symbol);
	}
	if (ret)
		return ret;
	qsort(o->functions, o->n_functions, sizeof(*o->functions), by_place);
	for (__u32 i = 0; i < o->n_functions; i++) {
		const struct inlay_bpf_function *f = &o->functions[i];

		if (i && f[-1].section == f->section && f[-1].first + f[-1].n > f->first)
			return inlay_object_refuse(r, "functions %.60s and %.60s overlap",
						   f[-1].name, f->name);
		if (strcmp(o->sections[f->section].name, ".text"))
			o->programs[o->n_programs++] = i;
	}
	if (!o->n_programs)
		return inlay_object_refuse(r, "no program in it: give one a section, such as "
					      "SEC(\"xdp\")");
	return 0;
}

__s64 inlay_object_function_at(const struct inlay_bpf_object *o, __u32 section, __u64 insn)
{
	__u32 low = 0, high = o->n_functions;

	while (low < high) {
		__u32 mid = low + (high - low) / 2;
		const struct inlay_bpf_function *f = &o->functions[mid];

		if (f->section < section || (f->section == section && f->first + f->n <= insn))
			low = mid + 1;
		else
			high = mid;
	}
	if (low == o->n_functions || o->functions[low].section != section ||
	    o->functions[low].first > insn)
		return -1;
	return low;
}

/* --- The whole -------------------------------------------------------------------------------- */

static int parse(struct inlay_object_reader *r)
{
	int ret = read_sections(r);

	if (!ret)
		ret = read_code(r);
	if (!ret)
		ret = read_functions(r);
	if (!ret)
		ret = inlay_object_read_maps(r);
	if (!ret)
		ret = inlay_object_read_refs(r);
	if (!ret)
		ret = inlay_object_read_lines(r);
	return ret;
}

int inlay_bpf_object_parse(const void *data, size_t len, struct inlay_bpf_object *ret_object,
			   char err[INLAY_BPF_ERROR])
{
	struct inlay_bpf_object object = {0};
	struct inlay_object_reader r = {
		.file = inlay_cursor_of(data, len), .object = &object, .err = err};
	int ret;

	if (len > INLAY_BPF_OBJECT_BYTES) {
		snprintf(err, INLAY_BPF_ERROR, "larger than %u bytes", INLAY_BPF_OBJECT_BYTES);
		return -E2BIG;
	}
	ret = parse(&r);
	if (ret) {
		if (ret == -ENOMEM)
			snprintf(err, INLAY_BPF_ERROR, "out of memory");
		inlay_bpf_object_fini(&object);
		return ret;
	}
	*ret_object = object;
	return 0;
}

void inlay_bpf_object_fini(struct inlay_bpf_object *object)
{
	for (__u32 i = 0; object->sections && i < object->n_sections; i++) {
		free(object->sections[i].insns);
		free(object->sections[i].refs);
	}
	free(object->sections);
	free(object->functions);
	free(object->programs);
	free(object->maps);
	free(object->lines);
	*object = (struct inlay_bpf_object){0};
}

const struct inlay_bpf_line *inlay_bpf_object_line(const struct inlay_bpf_object *o,
						   const struct inlay_bpf_function *function,
						   __u32 insn)
{
	const struct inlay_bpf_line *found = NULL;
	__u32 low = 0, high = o->n_lines, at = function->first + insn;

	while (low < high) {
		__u32 mid = low + (high - low) / 2;
		const struct inlay_bpf_line *l = &o->lines[mid];

		if (l->section < function->section ||
		    (l->section == function->section && l->insn <= at)) {
			found = l;
			low = mid + 1;
		} else {
			high = mid;
		}
	}
	if (!found || found->section != function->section || found->insn < function->first)
		return NULL;
	return found;
}
