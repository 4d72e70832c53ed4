/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Values that are no JSON: what QEMU reads in them, and that a change touches nothing else.
 */

#include "argv/test-value.h"

static void
test_get_opts(void)
{
    static const ValueRow rows[] = {
        GET("device", "e1000,id=n0", "driver", "e1000"),
        GET("device", "driver=e1000,id=n0", "driver", "e1000"),
        GET("device", "id=n0,driver=e1000", "driver", "e1000"),
        GET("device", "e1000,id=n0", "id", "n0"),
        GET("device", "e1000,id=n0", "mac", NULL),
        GET("device", "e1000,driver=lsi", "driver", "lsi"),
        GET("device", "e1000,mac=a,mac=b", "mac", "b"),
        GET("device", "e1000,id=a,id=b", "id", "a"),
        GET("device", "e1000,multifunction", "multifunction", "on"),
        GET("device", "e1000,nomultifunction", "multifunction", "off"),
        GET("device", "e1000,nomultifunction", "nomultifunction", NULL),
        GET("device", "e1000,notify=off", "notify", "off"),
        GET("device", "a,,b,id=x", "driver", "a,b"),
        GET("device", ",,b,id=x", "driver", ",b"),
        GET("device", ",id=x", "driver", ""),
        GET("device", ",id=x", "id", "x"),
        GET("device", "a=b,c", "a", "b"),
        GET("device", "a=b,c", "driver", NULL),
        GET("device", "", "driver", NULL),
        GET("device", NULL, "driver", NULL),
        GET("name", "guest=a,,b=c,debug-threads=on", "guest", "a,b=c"),
        GET("name", "guest=a,,b=c,debug-threads=on", "debug-threads", "on"),
        GET("name", "guest=a,,,debug-threads=on", "guest", "a,"),
        GET("name", "guest=a,,,,b,process=c", "guest", "a,,b"),
        GET("name", "guest=,process=", "guest", ""),
        GET("name", "guest=,process=", "process", ""),
        GET("name", "guest=a,", "guest", "a"),
        GET("name", "guest=a==b", "guest", "a==b"),
        GET("chardev", "socket,id=c,path=/a,server,nowait", "server", "on"),
        GET("chardev", "socket,id=c,path=/a,server,nowait", "wait", "off"),
        GET("chardev", "socket,id=c,path=/a,server,nowait", "backend", "socket"),
        GET("drive", "file=/a,if=none,id=d", "file", "/a"),
        GET("drive", "a.qcow2", "file", NULL),
        GET("drive", "a.qcow2", "a.qcow2", "on"),
        GET("drive", "file.driver=nbd,file.host=h", "file.host", "h"),
        GET("m", "1024", "size", "1024"),
        GET("m", "size=1G,slots=4,maxmem=4G", "size", "1G"),
        GET("accel", "kvm", "accel", "kvm"),
        GET("netdev", "user,id=u,hostfwd=tcp::1-:2,hostfwd=tcp::3-:4", "hostfwd", "tcp::3-:4"),
        GET("netdev", "stream,id=s,addr.type=unix,addr.path=/p", "addr.path", "/p"),
        GET("mon", "chardev=c,mode=control", "chardev", "c"),
        GET("kernel", "a=b", "a", NULL),
        GET("S", NULL, "a", NULL),
        GET("newer", "a=b", "a", NULL),
    };

    CHECK_ROWS(rows, check_get);
}

static void
test_get_keyval(void)
{
    static const ValueRow rows[] = {
        GET("object", "rng-random,id=r,filename=/dev/random", "qom-type", "rng-random"),
        GET("object", "qom-type=rng-random,id=r", "qom-type", "rng-random"),
        GET("object", "memory-backend-ram,id=m,host-nodes.0=1,host-nodes.1=2", "host-nodes.1", "2"),
        GET("object", "memory-backend-ram,host-nodes.0=1", "host-nodes", NULL),
        GET("object", "a,id=x,id=y", "id", "y"),
        GET("blockdev", "raw,node-name=n,file.driver=file,file.filename=/a,,b", "file.filename",
            "/a,b"),
        GET("machine", "pc,accel=kvm", "type", "pc"),
        GET("M", "pc,accel=kvm", "type", "pc"),
        GET("smp", "2,sockets=1", "cpus", "2"),
        GET("boot", "strict=on", "strict", "on"),
        GET("boot", "cd,menu=on", "order", "cd"),
        GET("display", "egl-headless,rendernode=/dev/dri/renderD128", "type", "egl-headless"),
        GET("audiodev", "none,id=a,out.frequency=44100", "out.frequency", "44100"),
        GET("compat", "deprecated-input=reject", "deprecated-input", "reject"),
    };

    CHECK_ROWS(rows, check_get);
}

static void
test_get_cpu(void)
{
    static const ValueRow rows[] = {
        GET("cpu", "host", "type", "host"),
        GET("cpu", "qemu64,+vmx,-svm,pmu=off,x2apic", "vmx", "on"),
        GET("cpu", "qemu64,+vmx,-svm,pmu=off,x2apic", "svm", "off"),
        GET("cpu", "qemu64,+vmx,-svm,pmu=off,x2apic", "pmu", "off"),
        GET("cpu", "qemu64,+vmx,-svm,pmu=off,x2apic", "x2apic", "on"),
        GET("cpu", "qemu64,+vmx,-svm,pmu=off,x2apic", "type", "qemu64"),
        GET("cpu", "qemu64,+vmx,vmx=off", "vmx", "on"),
        GET("cpu", "qemu64,-vmx,+vmx", "vmx", "off"),
        GET("cpu", "qemu64,a=1,a=2", "a", "2"),
        GET("cpu", "qemu64,hv_time=on", "hv-time", "on"),
        GET("cpu", "qemu64,hv-time=on", "hv_time", "on"),
        GET("cpu", "qemu64,+sse4_1", "sse4-1", "on"),
        GET("cpu", "qemu64,,,pmu=off,", "pmu", "off"),
        GET("cpu", "qemu64,hv-vendor-id=a=b", "hv-vendor-id", "a=b"),
        GET("cpu", "qemu64,pm=off", "pmu", NULL),
        GET("cpu", "qemu64,pmu=off", "pm", NULL),
    };

    CHECK_ROWS(rows, check_get);
}

static void
test_get_global(void)
{
    static const ValueRow rows[] = {
        GET("global", "kvm-pit.lost_tick_policy=delay", "driver", "kvm-pit"),
        GET("global", "kvm-pit.lost_tick_policy=delay", "property", "lost_tick_policy"),
        GET("global", "kvm-pit.lost_tick_policy=delay", "value", "delay"),
        GET("global", "kvm-pit.lost_tick_policy=delay", "kvm-pit.lost_tick_policy", "delay"),
        GET("global", "kvm-pit.lost_tick_policy=delay", "kvm-pit.x", NULL),
        GET("global", "kvm-pit.lost_tick_policy=delay", "kvm-pi.lost_tick_policy", NULL),
        GET("global", "c-cpu.model-id=a,b=c,,d", "value", "a,b=c,,d"),
        GET("global", "driver=c-cpu,property=model-id,value=a,,b", "value", "a,b"),
        GET("global", "driver=c-cpu,property=model-id,value=a,,b", "c-cpu.model-id", "a,b"),
        GET("global", "driver=c-cpu,property=model-id,value=a,,b", "driver", "c-cpu"),
    };

    CHECK_ROWS(rows, check_get);
}

static void
test_set_opts(void)
{
    static const ValueRow rows[] = {
        /* in place */
        SET("device", "e1000,mac=a,id=n", "mac", "b", "e1000,mac=b,id=n"),
        SET("device", "e1000,mac=a,mac=b", "mac", "c", "e1000,mac=a,mac=c"),
        SET("device", "e1000,id=a,id=b", "id", "c", "e1000,id=c,id=b"),
        SET("device", "e1000,id=n", "driver", "lsi", "lsi,id=n"),
        SET("device", "driver=e1000,id=n", "driver", "lsi", "driver=lsi,id=n"),
        SET("device", "e1000,id=n", "driver", "a,b", "a,,b,id=n"),
        SET("device", "e1000,id=n", "driver", "a=b", "driver=a=b,id=n"),
        SET("device", "e1000,id=n", "driver", "a,b=c", "a,,b=c,id=n"),
        SET("device", "e1000,id=n", "driver", "", "driver=,id=n"),
        SET("device", "e1000,id=n", "driver", ",", ",,,id=n"),
        SET("name", "guest=a,process=p", "guest", "b,,", "guest=b,,,,,process=p"),
        SET("chardev", "socket,server,nowait", "server", "off", "socket,server=off,nowait"),
        SET("chardev", "socket,server,nowait", "server", "on", "socket,server,nowait"),
        SET("chardev", "socket,server,nowait", "wait", "on", "socket,server,wait=on"),
        SET("chardev", "socket,server,nowait", "wait", "off", "socket,server,nowait"),
        SET("name", "guest=a,,b,x=y", "x", "z", "guest=a,,b,x=z"),
        /* at the end */
        SET("device", "e1000", "mac", "a", "e1000,mac=a"),
        SET("device", "e1000,", "mac", "a", "e1000,mac=a"),
        SET("device", "e1000,x=a,,", "mac", "a", "e1000,x=a,,,mac=a"),
        SET("device", "e1000,x=", "mac", "a,b", "e1000,x=,mac=a,,b"),
        SET("device", "", "driver", "a", "driver=a"),
        SET("name", NULL, "guest", "a", "guest=a"),
        SET("drive", "if=none", "file.driver", "nbd", "if=none,file.driver=nbd"),
        /* not at all */
        SET("device", "e1000", "", "a", NULL),
        SET("device", "e1000", "a=b", "a", NULL),
        SET("device", "e1000", "a,b", "a", NULL),
        SET("device", "e1000,=x", "a", "b", NULL),
        SET("device", "", "{a", "b", NULL),
        SET("device", "e1000,id=n", "driver", "{", "driver={,id=n"),
        SET("kernel", "/a", "a", "b", NULL),
        SET("S", NULL, "a", "b", NULL),
        SET("newer", "c=d", "a", "b", NULL),
    };

    CHECK_ROWS(rows, check_set);
}

static void
test_set_keyval(void)
{
    static const ValueRow rows[] = {
        SET("object", "rng-random,id=r", "qom-type", "rng-egd", "rng-egd,id=r"),
        SET("object", "rng-random,id=r", "qom-type", "a,b", "qom-type=a,,b,id=r"),
        SET("object", "a,host-nodes.0=1", "host-nodes.1", "2", "a,host-nodes.0=1,host-nodes.1=2"),
        SET("blockdev", "raw,file.filename=/a", "file.filename", "/b,c", "raw,file.filename=/b,,c"),
        SET("machine", "pc-q35-7.2,usb=off", "usb", "on", "pc-q35-7.2,usb=on"),
        SET("smp", "2", "maxcpus", "4", "2,maxcpus=4"),
        SET("smp", "2,sockets=2", "cpus", "4", "4,sockets=2"),
        SET("machine", "type=pc,", "hpet", "off", "type=pc,hpet=off"),
        SET("machine", "pc", "__org.example_x", "1", "pc,__org.example_x=1"),
        SET("machine", "pc,a.0.b=1", "a.0.c", "2", "pc,a.0.b=1,a.0.c=2"),
        /* a key is a value or has keys in it */
        SET("object", "a,b.c=1", "b", "2", NULL),
        SET("object", "a,b=1", "b.c", "2", NULL),
        SET("object", "a,bc=1", "b", "2", "a,bc=1,b=2"),
        /* names that QEMU does not take */
        SET("object", "a", "0", "1", NULL),
        SET("object", "a", "b..c", "1", NULL),
        SET("object", "a", "b.", "1", NULL),
        SET("object", "a", "-b", "1", NULL),
        SET("object", "a", "_b", "1", NULL),
        SET("object", "a", "__b", "1", NULL),
        SET("object", "a", "b c", "1", NULL),
        SET("object", "a", "b.0c", "1", NULL),
        SET("object", "", "id", "1", "id=1"),
        /* what it could not read before */
        SET("object", "a,flag", "b", "1", NULL),
        SET("object", "a,,b=c", "b", "1", NULL),
    };

    CHECK_ROWS(rows, check_set);
}

static void
test_key_length(void)
{
    g_autofree char *fits = g_strnfill(127, 'k'), *over = g_strnfill(128, 'k');
    g_autofree char *expected = g_strconcat("a,b.", fits, "=1", NULL);
    g_autofree char *key = g_strconcat("b.", fits, NULL), *longer = g_strconcat("b.", over, NULL);
    const ValueRow rows[] = {
        SET("object", "a", key, "1", expected),
        SET("object", "a", longer, "1", NULL),
    };

    CHECK_ROWS(rows, check_set);
}

static void
test_set_cpu(void)
{
    static const ValueRow rows[] = {
        SET("cpu", "qemu64,+vmx", "type", "max", "max,+vmx"),
        SET("cpu", "qemu64,+vmx,a=b", "vmx", "off", "qemu64,-vmx,a=b"),
        SET("cpu", "qemu64,-vmx", "vmx", "on", "qemu64,+vmx"),
        SET("cpu", "qemu64,+vmx", "vmx", "on", "qemu64,+vmx"),
        SET("cpu", "qemu64,+level", "level", "5", "qemu64,level=5"),
        SET("cpu", "qemu64,level=4", "level", "5", "qemu64,level=5"),
        SET("cpu", "qemu64,hv_time=on", "hv-time", "off", "qemu64,hv_time=off"),
        SET("cpu", "qemu64,pmu", "pmu", "off", "qemu64,pmu=off"),
        SET("cpu", "qemu64,+a,-a,a=1,b", "a", "on", "qemu64,+a,b"),
        SET("cpu", "qemu64,,,+a,,b", "c", "on", "qemu64,,,+a,,b,c=on"),
        SET("cpu", "qemu64,a=b,", "c", "on", "qemu64,a=b,c=on"),
        SET("cpu", "host", "model-id", "a b", "host,model-id=a b"),
        SET("cpu", "host", "model-id", "a,b", NULL),
        SET("cpu", "host", "type", "", NULL),
        SET("cpu", "host", "type", "a,b", NULL),
        SET("cpu", "host", "+vmx", "on", NULL),
        SET("cpu", "host", "_vmx", "on", NULL),
        SET("cpu", "", "type", "host", "host"),
        SET("cpu", "", "vmx", "on", NULL),
        SET("cpu", ",vmx", "vmx", "off", NULL),
    };

    CHECK_ROWS(rows, check_set);
}

static void
test_set_global(void)
{
    static const ValueRow rows[] = {
        SET("global", "a.b=c", "value", "d,e=f", "a.b=d,e=f"),
        SET("global", "a.b=c", "a.b", "d", "a.b=d"),
        SET("global", "a.b=c", "driver", "d", "d.b=c"),
        SET("global", "a.b=c", "property", "d.e", "a.d.e=c"),
        SET("global", "a.b=c", "driver", "d.e", NULL),
        SET("global", "a.b=c", "driver", "", NULL),
        SET("global", "a.b=c", "property", "d=e", NULL),
        SET("global", "a.b=c", "property", "", NULL),
        SET("global", "a.b=c", "x.y", "d", NULL),
        SET("global", "driver=a,property=b,value=c", "value", "d,e",
            "driver=a,property=b,value=d,,e"),
        SET("global", "driver=a,property=b,value=c", "a.b", "d", "driver=a,property=b,value=d"),
        SET("global", "driver=a.x,property=b,value=c", "driver", "y.z",
            "driver=y.z,property=b,value=c"),
        SET("global", "driver=a,value=c", "value", "d", NULL),
        SET("global", "driver=a,property=b", "value", "c", "driver=a,property=b,value=c"),
        SET("global", "driver=a,property=b", "x", "c", NULL),
        SET("global", "driver=a,property=b,x=y", "value", "c", NULL),
    };

    CHECK_ROWS(rows, check_set);
}

/* QEMU's short form ends at 63 bytes for each name. */
static void
test_global_names(void)
{
    g_autofree char *longest = g_strnfill(63, 'n'), *over = g_strnfill(64, 'n');
    g_autofree char *fits = g_strdup_printf("%s.%s=v", longest, longest);
    g_autofree char *driver = g_strdup_printf("%s.b=v", over);
    g_autofree char *property = g_strdup_printf("a.%s=v", over);
    g_autofree char *expected = g_strdup_printf("%s.b=c", longest);
    const ValueRow rows[] = {
        SET("global", "a.b=c", "driver", longest, expected),
        SET("global", "a.b=c", "driver", over, NULL),
        SET("global", "a.b=c", "property", over, NULL),
    };
    const VpOptionRow *global = vp_option_find("global");

    CHECK_ROWS(rows, check_set);
    g_assert_cmpint(vp_value_syntax(global, fits), ==, VP_SYNTAX_GLOBAL);
    g_assert_cmpint(vp_value_syntax(global, driver), ==, VP_SYNTAX_OPTS);
    g_assert_cmpint(vp_value_syntax(global, property), ==, VP_SYNTAX_OPTS);
    g_assert_cmpint(vp_value_syntax(global, ".b=c"), ==, VP_SYNTAX_OPTS);
    g_assert_cmpint(vp_value_syntax(global, "a.=c"), ==, VP_SYNTAX_OPTS);
    g_assert_cmpint(vp_value_syntax(global, NULL), ==, VP_SYNTAX_OPTS);
}

static void
test_remove(void)
{
    static const ValueRow rows[] = {
        REMOVE("device", "e1000,mac=a,id=n", "mac", "e1000,id=n"),
        REMOVE("device", "e1000,mac=a,id=n", "id", "e1000,mac=a"),
        REMOVE("device", "e1000,mac=a,id=n", "driver", "mac=a,id=n"),
        REMOVE("device", "e1000,mac=a,mac=b,x,mac=c", "mac", "e1000,x"),
        REMOVE("device", "e1000,mac=a,", "mac", "e1000,"),
        REMOVE("device", "e1000,x=a,,,mac=b,y=,,", "mac", "e1000,x=a,,,y=,,"),
        REMOVE("device", "e1000", "driver", ""),
        REMOVE("device", ",x=y", "x", "driver="),
        REMOVE("device", ",x=y,z=", "x", ",z="),
        REMOVE("device", "e1000", "mac", NULL),
        REMOVE("device", NULL, "mac", NULL),
        /* what becomes the first must not become the driver */
        REMOVE("chardev", "socket,server,nowait", "backend", "server=on,nowait"),
        REMOVE("chardev", "socket,nowait", "backend", "wait=off"),
        REMOVE("chardev", "backend=socket,server", "backend", "server=on"),
        REMOVE("spice", "a=b,disable-ticketing", "a", "disable-ticketing"),
        /* keyval: with all that is in it, and without a hole in a list */
        REMOVE("blockdev", "raw,file.driver=a,file.x.0=b,filex=c", "file", "raw,filex=c"),
        REMOVE("object", "a,n.0=x,n.1=y,n.2.z=w,n.10=v,id=o", "n.1", "a,n.0=x,n.1.z=w,n.9=v,id=o"),
        REMOVE("object", "a,n.0=x,n.1=y", "n.2", NULL),
        REMOVE("object", "a,nn.1=x,n.0=y", "n.0", "a,nn.1=x"),
        REMOVE("drive", "file=a,file.driver=b", "file", "file.driver=b"),
        REMOVE("cpu", "qemu64,+vmx,vmx=off,,-vmx,a", "vmx", "qemu64,a"),
        REMOVE("cpu", "qemu64,hv_time,b", "hv-time", "qemu64,b"),
        REMOVE("cpu", "qemu64,a", "type", NULL),
        REMOVE("global", "a.b=c", "value", NULL),
        REMOVE("global", "driver=a,property=b,value=c", "value", "driver=a,property=b"),
        REMOVE("kernel", "a=b", "a", NULL),
        REMOVE("newer", "a=b", "a", NULL),
    };

    CHECK_ROWS(rows, check_remove);
}

static void
test_check(void)
{
    static const struct {
        const char *option;
        const char *value;
        const char *word; /* in the message; NULL: it is fine */
    } rows[] = {
        { "device", "e1000,id=a,flag,noflag,x=", NULL },
        { "device", "", NULL },
        { "device", "e1000,=x", "''" },
        { "device", "e1000,x=y,no", "''" },
        { "object", "a,id=x,b.0.c=1", NULL },
        { "object", "a,b", "b=VALUE" },
        { "object", "a,b.=1", "'b.'" },
        { "object", ",b=1", "''" },
        { "compat", "reject", "reject=VALUE" },
        { "cpu", "host,+a,-b,c=d,e", NULL },
        { "cpu", ",+a", "model" },
        { "cpu", "host,+", "''" },
        { "global", "a.b=c", NULL },
        { "global", "driver=a,property=b", NULL },
        { "global", "a.b", "DRIVER.PROPERTY" },
        { "global", "", "DRIVER.PROPERTY" },
        { "kernel", ",=,", NULL },
        { "S", NULL, NULL },
        { "newer", ",=,", NULL },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        bool good = vp_value_check(vp_option_find(rows[i].option), rows[i].value, &error);

        g_assert_true(good == (rows[i].word == NULL));
        g_assert_true(good == (error == NULL));
        if (rows[i].word)
            g_assert_nonnull(strstr(error->message, rows[i].word));
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/argv/value-text/get-opts", test_get_opts);
    g_test_add_func("/argv/value-text/get-keyval", test_get_keyval);
    g_test_add_func("/argv/value-text/get-cpu", test_get_cpu);
    g_test_add_func("/argv/value-text/get-global", test_get_global);
    g_test_add_func("/argv/value-text/set-opts", test_set_opts);
    g_test_add_func("/argv/value-text/set-keyval", test_set_keyval);
    g_test_add_func("/argv/value-text/key-length", test_key_length);
    g_test_add_func("/argv/value-text/set-cpu", test_set_cpu);
    g_test_add_func("/argv/value-text/set-global", test_set_global);
    g_test_add_func("/argv/value-text/global-names", test_global_names);
    g_test_add_func("/argv/value-text/remove", test_remove);
    g_test_add_func("/argv/value-text/check", test_check);
    return g_test_run();
}
