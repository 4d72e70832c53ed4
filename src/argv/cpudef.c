/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * cpudef: a CPU described feature by feature, a group of QEMU's configuration file until 2012. Its
 * keys and flags are those of QEMU's own target-x86_64.conf of 2010.
 *
 * The model "base" has no features of its own, so that what is asked for is what the guest gets:
 * nothing is added, also not what QEMU's named models get without asking ("hypervisor", kvmclock).
 * Features that accelerator or host do not have QEMU leaves out with a warning, as it always did.
 *
 * 18 flags of extfeature_edx mirror those of feature_edx on AMD's CPUs and do not exist on others.
 * QEMU mirrors all of them when the vendor is AMD, so there they can be named only if feature_edx
 * has them too.
 */

#include "argv/cpudef.h"

#include "argv/prepare.h"
#include "base/error.h"
#include "base/limits.h"

#include <string.h>

#define AMD "AuthenticAMD"

/* The flags of each word of CPUID that cpudef knows, as QEMU's properties are called today. */
typedef struct FlagWord {
    const char *key;
    const char *flags;
} FlagWord;

static const FlagWord flag_words[] = {
    { "feature_edx",
      "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 pn clflush ds acpi "
      "mmx fxsr sse sse2 ss ht tm ia64 pbe" },
    { "feature_ecx",
      "pni pclmulqdq dtes64 monitor ds-cpl vmx smx est tm2 ssse3 cid fma cx16 xtpr pdcm pcid dca "
      "sse4.1 sse4.2 x2apic movbe popcnt tsc-deadline aes xsave avx f16c rdrand hypervisor" },
    { "extfeature_edx", "syscall nx mmxext fxsr-opt pdpe1gb rdtscp lm 3dnowext 3dnow" },
    { "extfeature_ecx",
      "lahf-lm cmp-legacy svm extapic cr8legacy abm sse4a misalignsse 3dnowprefetch osvw ibs xop "
      "skinit wdt lwp fma4 tce nodeid-msr tbm topoext perfctr-core perfctr-nb" },
};

/* Flags of extfeature_edx that have no property: QEMU takes them from feature_edx. */
static const char mirrored[] =
    "fpu vme de pse tsc msr pae mce cx8 apic mtrr pge mca cmov pat pse36 mmx fxsr";

/* Other names of 2010. NULL: a bit that QEMU cannot set any more. */
static const struct {
    const char *old;
    const char *now;
} old_names[] = {
    { "sse3", "pni" },      { "pclmuldq", "pclmulqdq" }, { "sse4-1", "sse4.1" },
    { "sse4-2", "sse4.2" }, { "xd", "nx" },              { "i64", "lm" },
    { "ffxsr", "fxsr-opt" }, { "clfsh", "clflush" },     { "htt", "ht" },
    { "psn", "pn" },        { "dts", "ds" },             { "cvt16", "f16c" },
    { "mp", NULL },         { "osxsave", NULL },
};

/* A cpudef on its way to being words. */
typedef struct Cpu {
    const VpGroup *group;
    GString *model;    /* "base,level=5,..." */
    GPtrArray *global; /* of char *: what a -cpu cannot carry */
    const char *type;  /* "base-x86_64-cpu" */
} Cpu;

static const char *
value_of(const VpGroup *group, const char *key)
{
    for (guint i = 0; i < group->keys->len; i++) {
        if (strcmp(group->keys->pdata[i], key) == 0)
            return group->values->pdata[i];
    }
    return NULL;
}

/* --- flags ------------------------------------------------------------------- */

/* Whether @list, names with blanks between, has the name. */
static bool
lists(const char *list, const char *name)
{
    gsize size = strlen(name);

    for (const char *p = strstr(list, name); p; p = strstr(p + 1, name)) {
        if ((p == list || p[-1] == ' ') && (p[size] == ' ' || p[size] == '\0'))
            return true;
    }
    return false;
}

/* The flag as QEMU calls it today; NULL and @error when it has no such flag any more. */
static char *
present_name(const char *flag, GError **error)
{
    g_autofree char *name = g_strdelimit(g_ascii_strdown(flag, -1), "_", '-');

    for (gsize i = 0; i < G_N_ELEMENTS(old_names); i++) {
        if (strcmp(old_names[i].old, name) != 0)
            continue;
        if (!old_names[i].now)
            g_set_error(error, VP_ERROR, VP_ERROR_UNSUPPORTED,
                        "QEMU cannot set the flag '%s' any more", flag);
        return g_strdup(old_names[i].now);
    }
    return g_steal_pointer(&name);
}

/* Whether the flag is one of those in the group's value for @key. */
static bool
asks_for(const VpGroup *group, const char *key, const char *name)
{
    const char *value = value_of(group, key);
    g_auto(GStrv) flags = g_strsplit_set(value ? value : "", " \t\r\n", -1);

    for (guint i = 0; flags[i]; i++) {
        g_autofree char *other = present_name(flags[i], NULL);

        if (g_strcmp0(other, name) == 0)
            return true;
    }
    return false;
}

/* A flag of extfeature_edx that QEMU makes by itself. */
static bool
check_mirrored(const VpGroup *group, const char *name, GError **error)
{
    const char *vendor = value_of(group, "vendor");

    if (g_strcmp0(vendor, AMD) != 0)
        return vp_refuse(error, VP_ERROR_XML, "extfeature_edx: QEMU has the flag '%s' there only "
                         "if the vendor is " AMD, name);
    if (!asks_for(group, "feature_edx", name))
        return vp_refuse(error, VP_ERROR_XML, "extfeature_edx: the flag '%s' is there when "
                         "feature_edx has it, and it has not", name);
    return true;
}

static bool
wrong_flag(const FlagWord *word, const char *flag, const char *name, GError **error)
{
    for (gsize i = 0; i < G_N_ELEMENTS(flag_words); i++) {
        if (lists(flag_words[i].flags, name))
            return vp_refuse(error, VP_ERROR_XML, "%s: the flag '%s' belongs in %s", word->key,
                             flag, flag_words[i].key);
    }
    return vp_refuse(error, VP_ERROR_XML, "%s: there is no CPU flag '%s'", word->key, flag);
}

static bool
add_flag(Cpu *cpu, const FlagWord *word, const char *flag, GError **error)
{
    g_autofree char *name = present_name(flag, error);

    if (!name)
        return false;
    if (lists(word->flags, name))
        g_string_append_printf(cpu->model, ",%s=on", name);
    else if (strcmp(word->key, "extfeature_edx") == 0 && lists(mirrored, name))
        return check_mirrored(cpu->group, name, error);
    else
        return wrong_flag(word, flag, name, error);
    return true;
}

static bool
add_flags(Cpu *cpu, const char *key, const char *value, guint64 unused, GError **error)
{
    g_auto(GStrv) flags = NULL;
    const FlagWord *word = flag_words;

    if (strlen(value) > VP_CPUDEF_FLAGS_MAX)
        return vp_refuse(error, VP_ERROR_LIMIT, "%s: a list of flags of %zu bytes is longer than "
                         "the %u that are allowed", key, strlen(value), VP_CPUDEF_FLAGS_MAX);
    flags = g_strsplit_set(value, " \t\r\n", -1);
    while (strcmp(word->key, key) != 0)
        word++;
    for (guint i = 0; flags[i]; i++) {
        if (*flags[i] && !add_flag(cpu, word, flags[i], error))
            return false;
    }
    return true;
}

/* --- the other keys ----------------------------------------------------------- */

static bool
add_number(Cpu *cpu, const char *key, const char *value, guint64 max, GError **error)
{
    char *end = NULL;
    guint64 number = g_ascii_strtoull(value, &end, 0);

    if (!g_ascii_isdigit(*value) || *end || number > max)
        return vp_refuse(error, VP_ERROR_XML, "%s: '%s' is not a number from 0 to %"
                         G_GUINT64_FORMAT, key, value, max);
    g_string_append_printf(cpu->model, ",%s=%s", key, value);
    return true;
}

static bool
add_vendor(Cpu *cpu, const char *key, const char *value, guint64 size, GError **error)
{
    if (strlen(value) != size || vp_has_control_characters(value) || strchr(value, ','))
        return vp_refuse(error, VP_ERROR_XML, "%s: '%s' has not the %" G_GUINT64_FORMAT
                         " characters that a vendor's name has, like " AMD, key, value, size);
    g_string_append_printf(cpu->model, ",%s=%s", key, value);
    return true;
}

/* A comma cannot be written in -cpu. */
static bool
add_model_id(Cpu *cpu, const char *key, const char *value, guint64 max, GError **error)
{
    if (strlen(value) > max || vp_has_control_characters(value))
        return vp_refuse(error, VP_ERROR_XML, "%s: '%s' is longer than %" G_GUINT64_FORMAT
                         " bytes or has control characters", key, value, max);
    if (strchr(value, ','))
        g_ptr_array_add(cpu->global, g_strdup_printf("%s.model-id=%s", cpu->type, value));
    else
        g_string_append_printf(cpu->model, ",model-id=%s", value);
    return true;
}

/* The type of CPU is "base", whatever the definition was called. */
static bool
add_nothing(Cpu *cpu, const char *key, const char *value, guint64 unused, GError **error)
{
    return true;
}

/* In the order in which they are written. */
static const struct {
    const char *key;
    bool (*add)(Cpu *cpu, const char *key, const char *value, guint64 max, GError **error);
    guint64 max; /* a number's greatest value, a text's length */
} keys[] = {
    { "name", add_nothing, 0 },
    { "vendor", add_vendor, 12 },
    { "level", add_number, G_MAXUINT32 },
    { "xlevel", add_number, G_MAXUINT32 },
    { "family", add_number, 270 },
    { "model", add_number, 255 },
    { "stepping", add_number, 15 },
    { "model_id", add_model_id, 48 },
    { "feature_edx", add_flags, 0 },
    { "feature_ecx", add_flags, 0 },
    { "extfeature_edx", add_flags, 0 },
    { "extfeature_ecx", add_flags, 0 },
};

static bool
check_keys(const VpGroup *group, GError **error)
{
    for (guint i = 0; i < group->keys->len; i++) {
        const char *key = group->keys->pdata[i];
        gsize k = 0;

        while (k < G_N_ELEMENTS(keys) && strcmp(keys[k].key, key) != 0)
            k++;
        if (k == G_N_ELEMENTS(keys))
            return vp_refuse(error, VP_ERROR_XML, "cpudef has no '%s'", key);
        if (value_of(group, key) != group->values->pdata[i])
            return vp_refuse(error, VP_ERROR_XML, "'%s' is there twice", key);
    }
    return true;
}

/* The type of the CPU model "base" in QEMU's object model; NULL and @error: it has none. */
static const char *
base_type(const char *emulator, GError **error)
{
    g_autofree char *name = emulator ? g_path_get_basename(emulator) : NULL;

    if (!name || !g_str_has_prefix(name, "qemu-system-") || g_str_has_suffix(name, "-x86_64"))
        return "base-x86_64-cpu";
    if (g_str_has_suffix(name, "-i386"))
        return "base-i386-cpu";
    g_set_error(error, VP_ERROR, VP_ERROR_UNSUPPORTED,
                "cpudef describes CPUs of PCs, which %s has not", name);
    return NULL;
}

bool
vp_cpudef_append(GPtrArray *words, const VpGroup *group, const char *emulator, GError **error)
{
    g_autoptr(GString) model = g_string_new("base");
    g_autoptr(GPtrArray) global = g_ptr_array_new_with_free_func(g_free);
    Cpu cpu = { .group = group, .model = model, .global = global };

    cpu.type = base_type(emulator, error);
    if (!cpu.type || !check_keys(group, error))
        return false;
    if (group->id)
        return vp_refuse(error, VP_ERROR_XML, "cpudef takes no id=''");
    for (gsize i = 0; i < G_N_ELEMENTS(keys); i++) {
        const char *value = value_of(group, keys[i].key);

        if (value && !keys[i].add(&cpu, keys[i].key, value, keys[i].max, error))
            return false;
    }
    g_ptr_array_add(words, g_strdup("-cpu"));
    g_ptr_array_add(words, g_strdup(model->str));
    for (guint i = 0; i < global->len; i++) {
        g_ptr_array_add(words, g_strdup("-global"));
        g_ptr_array_add(words, g_strdup(global->pdata[i]));
    }
    return true;
}
