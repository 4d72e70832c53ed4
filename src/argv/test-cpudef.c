/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* cpudef: the example of 2010, and every way to get it wrong. */

#include "argv/cpudef.h"

#include "argv/test-plans.h"
#include "base/limits.h"

static bool
compile(const char *values, const char *id, const char *emulator, GPtrArray *words,
        GError **error)
{
    g_autofree char *step = g_strdup_printf("{'group':'cpudef'%s%s,'values':[%s]}",
                                            id ? ",'id':" : "", id ? id : "", values);
    g_autoptr(VpPlan) plan = test_plan(step);
    const VpStep *first = plan->steps->pdata[0];

    return vp_cpudef_append(words, first->group, emulator, error);
}

static void
check_words(const char *values, const char *emulator, const char *expected)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;

    compile(values, NULL, emulator, words, &error);
    g_assert_no_error(error);
    g_ptr_array_add(words, NULL);
    text = g_strjoinv("|", (char **)words->pdata);
    g_assert_cmpstr(text, ==, expected);
}

static void
check_refused(const char *values, const char *message)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) error = NULL;

    g_assert_false(compile(values, NULL, NULL, words, &error));
    g_assert_cmpuint(words->len, ==, 0);
    g_assert_cmpstr(error->message, ==, message);
}

static void
test_example(void)
{
    check_words("['name','Opteron_G3'],['level','5'],['vendor','AuthenticAMD'],['family','15'],"
                "['model','6'],['stepping','1'],"
                "['feature_edx','sse2 sse fxsr mmx pat cmov pge sep apic cx8 mce pae msr tsc pse "
                "de fpu    mtrr clflush mca pse36'],['feature_ecx','sse3 cx16 monitor popcnt'],"
                "['extfeature_edx','fxsr mmx pat cmov pge apic cx8 mce pae msr tsc pse de fpu    "
                "lm syscall nx rdtscp'],"
                "['extfeature_ecx','svm sse4a    abm misalignsse lahf_lm'],"
                "['xlevel','0x80000008'],['model_id','AMD Opteron 23xx (Gen 3 Class Opteron)']",
                "/usr/bin/qemu-system-x86_64",
                "-cpu|base,vendor=AuthenticAMD,level=5,xlevel=0x80000008,family=15,model=6,"
                "stepping=1,model-id=AMD Opteron 23xx (Gen 3 Class Opteron),sse2=on,sse=on,fxsr=on,"
                "mmx=on,pat=on,cmov=on,pge=on,sep=on,apic=on,cx8=on,mce=on,pae=on,msr=on,tsc=on,"
                "pse=on,de=on,fpu=on,mtrr=on,clflush=on,mca=on,pse36=on,pni=on,cx16=on,monitor=on,"
                "popcnt=on,lm=on,syscall=on,nx=on,rdtscp=on,svm=on,sse4a=on,abm=on,misalignsse=on,"
                "lahf-lm=on");
}

static void
test_details(void)
{
    check_words("", NULL, "-cpu|base");
    check_words("['model_id','a, b']", NULL, "-cpu|base|-global|base-x86_64-cpu.model-id=a, b");
    check_words("['model_id','a,b']", "/x/qemu-system-i386",
                "-cpu|base|-global|base-i386-cpu.model-id=a,b");
    check_words("['level','1']", "/usr/libexec/qemu-kvm", "-cpu|base,level=1");
    check_words("['feature_ecx','sse4_1 SSE4.2 ds_cpl cvt16 tsc_deadline']", NULL,
                "-cpu|base,sse4.1=on,sse4.2=on,ds-cpl=on,f16c=on,tsc-deadline=on");
    check_words("['feature_edx','htt clfsh psn dts'],['extfeature_edx','xd i64 ffxsr']", NULL,
                "-cpu|base,ht=on,clflush=on,pn=on,ds=on,nx=on,lm=on,fxsr-opt=on");
    check_words("['family','270'],['model','255'],['stepping','0xf'],['level','0xffffffff']", NULL,
                "-cpu|base,level=0xffffffff,family=270,model=255,stepping=0xf");
}

static void
test_refused(void)
{
    check_refused("['feature_ecx','sse3 nosuch']", "feature_ecx: there is no CPU flag 'nosuch'");
    check_refused("['feature_ecx','lm']", "feature_ecx: the flag 'lm' belongs in extfeature_edx");
    check_refused("['extfeature_edx','mp']", "QEMU cannot set the flag 'mp' any more");
    check_refused("['extfeature_edx','fpu']",
                  "extfeature_edx: QEMU has the flag 'fpu' there only if the vendor is "
                  "AuthenticAMD");
    check_refused("['vendor','AuthenticAMD'],['feature_edx','vme'],['extfeature_edx','fpu']",
                  "extfeature_edx: the flag 'fpu' is there when feature_edx has it, and it has "
                  "not");
    check_refused("['feature_edx','sse2,sse=on']",
                  "feature_edx: there is no CPU flag 'sse2,sse=on'");
    check_refused("['vendor','AMD']", "vendor: 'AMD' has not the 12 characters that a vendor's "
                  "name has, like AuthenticAMD");
    check_refused("['vendor','Authentic,MD']", "vendor: 'Authentic,MD' has not the 12 characters "
                  "that a vendor's name has, like AuthenticAMD");
    check_refused("['family','271']", "family: '271' is not a number from 0 to 270");
    check_refused("['stepping','16']", "stepping: '16' is not a number from 0 to 15");
    check_refused("['model','256']", "model: '256' is not a number from 0 to 255");
    check_refused("['level','4294967296']",
                  "level: '4294967296' is not a number from 0 to 4294967295");
    check_refused("['level','5,sse=on']", "level: '5,sse=on' is not a number from 0 to "
                  "4294967295");
    check_refused("['level','-1']", "level: '-1' is not a number from 0 to 4294967295");
    check_refused("['level','1'],['level','2']", "'level' is there twice");
    check_refused("['colour','red']", "cpudef has no 'colour'");
    check_refused("['model_id','1234567890123456789012345678901234567890123456789']",
                  "model_id: '1234567890123456789012345678901234567890123456789' is longer than 48 "
                  "bytes or has control characters");
}

static void
test_elsewhere(void)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) error = NULL;

    g_assert_false(compile("", NULL, "/usr/bin/qemu-system-ppc64", words, &error));
    g_assert_error(error, VP_ERROR, VP_ERROR_UNSUPPORTED);
    g_clear_error(&error);
    g_assert_false(compile("", "'x'", NULL, words, &error));
    g_assert_cmpstr(error->message, ==, "cpudef takes no id=''");
}

/* A flag and blanks, @size bytes in all. */
static char *
long_flags(gsize size)
{
    g_autofree char *blanks = g_strnfill(size - strlen("fpu"), ' ');

    return g_strdup_printf("['feature_edx','fpu%s']", blanks);
}

static void
test_flags_limit(void)
{
    g_autofree char *most = long_flags(VP_CPUDEF_FLAGS_MAX);
    g_autofree char *more = long_flags(VP_CPUDEF_FLAGS_MAX + 1);

    check_words(most, "/usr/bin/qemu-system-x86_64", "-cpu|base,fpu=on");
    check_refused(more, "feature_edx: a list of flags of 4097 bytes is longer than the 4096 that "
                  "are allowed");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cpudef/example of 2010", test_example);
    g_test_add_func("/cpudef/details", test_details);
    g_test_add_func("/cpudef/refused", test_refused);
    g_test_add_func("/cpudef/limit of flags", test_flags_limit);
    g_test_add_func("/cpudef/not for every QEMU", test_elsewhere);
    return g_test_run();
}
