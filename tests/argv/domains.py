# SPDX-License-Identifier: LGPL-2.1-or-later
"""Domain XML of many kinds, for what libvirt makes of it on QEMU's command line.

Each is a name and the elements that it adds to a domain; few need anything on the host, since
they are only turned into command lines.
"""

from harness import guest

GRAPHICS = {
    "spice": "<graphics type='spice' autoport='yes' listen='127.0.0.1'>"
             "<image compression='auto_glz'/><streaming mode='filter'/><clipboard copypaste='no'/>"
             "<gl enable='no'/></graphics><channel type='spicevmc'>"
             "<target type='virtio' name='com.redhat.spice.0'/></channel>"
             "<redirdev bus='usb' type='spicevmc'/><controller type='usb' model='qemu-xhci'/>"
             "<video><model type='qxl' ram='65536' vram='65536' vgamem='16384' heads='2'/></video>",
    "spice-socket": "<graphics type='spice'><listen type='socket' socket='/run/x, y.sock'/>"
                    "</graphics>",
    "vnc": "<graphics type='vnc' port='5901' listen='::1' keymap='de' sharePolicy='ignore'/>"
           "<video><model type='virtio' heads='1' primary='yes'/></video>",
    "vnc-websocket": "<graphics type='vnc' autoport='yes' websocket='-1' passwd='secret'/>"
                     "<video><model type='vga' vram='16384'/></video>",
    "vnc-socket": "<graphics type='vnc' socket='/run/a b.sock'/>",
    "dbus": "<graphics type='dbus' p2p='yes'/>",
    "sdl": "<graphics type='sdl' display=':0.0' xauth='/x'/>",
    "video": "<video><model type='bochs'/></video><video><model type='qxl'/></video>",
    "ramfb": "<video><model type='ramfb'/></video>",
    "cirrus": "<video><model type='cirrus'/></video>",
}

DISKS = {
    "ide": "<disk type='file' device='disk'><driver name='qemu' type='raw' cache='none' io='native'"
           " discard='unmap'/><source file='/d,a=b.raw'/><target dev='hda' bus='ide'/>"
           "<serial>A B-C</serial></disk>",
    "cdrom": "<disk type='file' device='cdrom'><target dev='hdc' bus='ide'/><readonly/></disk>",
    "floppy": "<disk type='file' device='floppy'><source file='/f.img'/>"
              "<target dev='fda' bus='fdc'/></disk>",
    "sata": "<disk type='block' device='disk'><driver name='qemu' type='raw'/>"
            "<source dev='/dev/null'/><target dev='sda' bus='sata'/></disk>",
    "scsi": "<controller type='scsi' model='virtio-scsi'><driver queues='2' iothread='1'/>"
            "</controller><disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
            "<source file='/s.qcow2'/><target dev='sda' bus='scsi'/><wwn>5000c50015ea71aa</wwn>"
            "<vendor>A</vendor><product>B c</product></disk>",
    "scsi-models": "<controller type='scsi' index='0' model='lsilogic'/>"
                   "<controller type='scsi' index='1' model='lsisas1068'/>"
                   "<controller type='scsi' index='2' model='vmpvscsi'/>",
    "usb": "<controller type='usb' model='ich9-ehci1'/><disk type='file' device='disk'>"
           "<source file='/u.raw'/><target dev='sda' bus='usb' removable='on'/></disk>",
    "virtio": "<disk type='file' device='disk'><driver name='qemu' type='qcow2' iothread='1'"
              " queues='4' error_policy='stop' rerror_policy='report' copy_on_read='on'"
              " detect_zeroes='unmap' discard='unmap'/><source file='/v.qcow2'/>"
              "<target dev='vda' bus='virtio'/><boot order='1'/><iotune>"
              "<total_bytes_sec>1000000</total_bytes_sec><read_iops_sec>10</read_iops_sec>"
              "<write_iops_sec>20</write_iops_sec></iotune>"
              "<blockio logical_block_size='512' physical_block_size='4096'/></disk>",
    "chain": "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
             "<source file='/top.qcow2'/><backingStore type='file'><format type='qcow2'/>"
             "<source file='/mid.qcow2'/><backingStore type='file'><format type='raw'/>"
             "<source file='/base.raw'/><backingStore/></backingStore></backingStore>"
             "<target dev='vda' bus='virtio'/></disk>",
    "network": "<disk type='network' device='disk'><driver name='qemu' type='raw'/>"
               "<source protocol='nbd' name='ex,port'><host name='h.example' port='10809'/>"
               "<reconnect delay='10'/></source><target dev='vda' bus='virtio'/></disk>"
               "<disk type='network' device='disk'><driver name='qemu' type='raw'/>"
               "<source protocol='iscsi' name='iqn.2013-07.com.example:iscsi-pool/1'>"
               "<host name='h.example'/></source><target dev='vdb' bus='virtio'/></disk>"
               "<disk type='network' device='cdrom'><driver name='qemu' type='raw'/>"
               "<source protocol='http' name='u.iso' query='a=b&amp;c=d'>"
               "<host name='h.example' port='80'/></source><target dev='hda' bus='ide'/>"
               "<readonly/></disk>",
    "rbd": "<disk type='network' device='disk'><driver name='qemu' type='raw'/>"
           "<source protocol='rbd' name='pool/image'><host name='m1' port='6321'/>"
           "<host name='m2'/></source><target dev='vda' bus='virtio'/></disk>",
    "nvme": "<disk type='nvme' device='disk'><driver name='qemu' type='raw'/>"
            "<source type='pci' managed='no' namespace='1'>"
            "<address domain='0' bus='1' slot='0' function='0'/></source>"
            "<target dev='vda' bus='virtio'/></disk>",
    "slice": "<disk type='file' device='disk'><driver name='qemu' type='raw'/>"
             "<source file='/s.raw'><slices><slice type='storage' offset='512' size='1024'/>"
             "</slices></source><target dev='vda' bus='virtio'/></disk>",
    "vhost-user": "<disk type='vhostuser' device='disk'><driver name='qemu' type='raw'/>"
                  "<source type='unix' path='/run/v.sock'><reconnect enabled='yes' timeout='1'/>"
                  "</source><target dev='vda' bus='virtio'/></disk>",
    "volatile": "<disk type='file' device='disk'><driver name='qemu' type='raw' cache='unsafe'/>"
                "<source file='/w.raw'/><target dev='vda' bus='virtio'/><shareable/></disk>",
    "lun": "<disk type='block' device='lun'><driver name='qemu' type='raw'/>"
           "<source dev='/dev/null'/><target dev='sda' bus='scsi'/></disk>",
}

NICS = {
    "user": "<interface type='user'><mac address='52:54:00:00:00:01'/><model type='e1000'/>"
            "</interface>",
    "user-ip": "<interface type='user'><model type='virtio'/>"
               "<ip family='ipv4' address='172.17.2.0' prefix='24'/>"
               "<ip family='ipv6' address='2001:db8:ac10:fd01::' prefix='64'/></interface>",
    "models": "".join(f"<interface type='user'><model type='{model}'/></interface>"
                      for model in ("e1000e", "rtl8139", "ne2k_pci", "pcnet", "virtio-transitional",
                                    "virtio-non-transitional")),
    "virtio": "<interface type='user'><model type='virtio'/><driver name='qemu' txmode='iothread'"
              " ioeventfd='on' event_idx='off' queues='1' rx_queue_size='512'>"
              "<host csum='off' gso='off'/><guest tso4='off' ecn='off'/></driver>"
              "<rom bar='off' file='/r,o.m'/><boot order='2'/><link state='down'/>"
              "</interface>",
    "socket": "<interface type='server'><source address='127.0.0.1' port='5558'/></interface>"
              "<interface type='client'><source address='127.0.0.1' port='5558'/></interface>"
              "<interface type='mcast'><source address='230.0.0.1' port='5558'/></interface>"
              "<interface type='udp'><source address='127.0.0.1' port='5558'>"
              "<local address='127.0.0.1' port='5559'/></source></interface>",
    "vhost-user": "<interface type='vhostuser'><source type='unix' path='/v,h.sock' mode='client'/>"
                  "<model type='virtio'/><driver queues='1'/></interface>",
}

CHARDEVS = {
    "serial": "<serial type='pty'/><serial type='file'><source path='/f,i.log' append='on'/>"
              "</serial><console type='pty'><target type='virtio'/></console>",
    "tcp": "<serial type='tcp'><source mode='bind' host='127.0.0.1' service='2445' tls='no'/>"
           "<protocol type='telnet'/></serial><serial type='tcp'>"
           "<source mode='connect' host='h' service='1'><reconnect enabled='yes' timeout='5'/>"
           "</source><protocol type='raw'/></serial>",
    "unix": "<serial type='unix'><source mode='bind' path='/u=,x.sock'/><log file='/l,og' "
            "append='off'/></serial>",
    "others": "<serial type='udp'><source mode='bind' host='127.0.0.1' service='1111'/>"
              "<source mode='connect' host='127.0.0.1' service='1112'/></serial>"
              "<serial type='null'/><parallel type='pipe'><source path='/p'/></parallel>"
              "<serial type='dev'><source path='/dev/ttyS0'/></serial>",
    "channel": "<channel type='unix'><source mode='bind' path='/a'/>"
               "<target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
               "<channel type='pty'><target type='guestfwd' address='10.0.2.1' port='4600'/>"
               "</channel><interface type='user'/>",
}

OTHERS = {
    "sound": "<sound model='ich9'><codec type='micro'/></sound><sound model='ac97'/>"
             "<sound model='es1370'/><sound model='usb'/>"
             "<controller type='usb' model='qemu-xhci'/>",
    "audio": "<sound model='ich6'><audio id='1'/></sound><audio id='1' type='file' "
             "path='/a,b.wav' timerPeriod='40'><input mixingEngine='yes' voices='1'/>"
             "<output mixingEngine='yes' fixedSettings='yes'>"
             "<settings frequency='44100' channels='2' format='s16'/>"
             "</output></audio>",
    "input": "<controller type='usb' model='piix3-uhci'/><input type='tablet' bus='usb'/>"
             "<input type='keyboard' bus='virtio'/><input type='mouse' bus='virtio'/>"
             "<input type='passthrough' bus='virtio'><source evdev='/dev/input/event0'/></input>"
             "<input type='evdev'><source dev='/dev/input/event1' grab='all' repeat='on'/></input>",
    "rng": "<rng model='virtio'><rate bytes='1234' period='2000'/>"
           "<backend model='random'>/dev/urandom</backend></rng>"
           "<rng model='virtio'><backend model='builtin'/></rng>",
    "egd": "<rng model='virtio'><backend model='egd' type='tcp'>"
           "<source mode='connect' host='h' service='1'/><protocol type='raw'/></backend></rng>",
    "watchdog": "<watchdog model='i6300esb' action='inject-nmi'/>",
    "balloon": "<memballoon model='virtio' autodeflate='on' freePageReporting='on'>"
               "<stats period='10'/></memballoon>",
    "panic": "<panic model='isa'/><panic model='hyperv'/>",
    "tpm": "<tpm model='tpm-tis'><backend type='passthrough'><device path='/dev/null'/></backend>"
           "</tpm>",
    "hostdev": "<hostdev mode='subsystem' type='pci' managed='no'><driver name='vfio'/><source>"
               "<address domain='0' bus='0' slot='0' function='0'/></source>"
               "<rom bar='on' file='/r.rom'/></hostdev>",
    "mdev": "<hostdev mode='subsystem' type='mdev' model='vfio-pci' display='off'><source>"
            "<address uuid='53764d0e-85a0-42b4-af5c-2046b460b1dc'/></source></hostdev>",
    "shmem": "<shmem name='s'><model type='ivshmem-plain'/><size unit='M'>4</size></shmem>"
             "<shmem name='d'><model type='ivshmem-doorbell'/><server path='/s.sock'/>"
             "<msi vectors='8' ioeventfd='on'/></shmem>",
    "filesystem": "<filesystem type='mount' accessmode='mapped' fmode='0644' dmode='0755'>"
                  "<source dir='/d,ir'/><target dir='tag'/></filesystem>",
    "smartcard": "<controller type='usb' model='ich9-ehci1'/><smartcard mode='passthrough' "
                 "type='tcp'><source mode='bind' host='127.0.0.1' service='2001'/>"
                 "<protocol type='raw'/></smartcard>",
    "hub": "<controller type='usb' model='ich9-ehci1' index='0'/>"
           "<controller type='usb' index='0' model='ich9-uhci1'><master startport='0'/>"
           "</controller><hub type='usb'/>",
    "vsock": "<vsock model='virtio'><cid auto='no' address='4'/></vsock>",
    "virtio-serial": "<controller type='virtio-serial' ports='31' vectors='4'/>",
    "crypto": "<crypto model='virtio' type='qemu'><backend model='builtin' queues='1'/></crypto>",
}

# The PCI Express topology of a larger guest.
PCIE = (
    "<controller type='pci' index='0' model='pcie-root'/>"
    + "".join(f"<controller type='pci' index='{n}' model='pcie-root-port'>"
              f"<target chassis='{n}' port='0x{n + 15:x}' hotplug='off'/></controller>"
              for n in range(1, 5))
    + "<controller type='pci' index='5' model='pcie-switch-upstream-port'/>"
    "<controller type='pci' index='6' model='pcie-switch-downstream-port'/>"
    "<controller type='pci' index='7' model='pcie-to-pci-bridge'/>"
    "<controller type='pci' index='8' model='pcie-expander-bus'>"
    "<target busNr='252'><node>0</node></target></controller>"
    "<controller type='pci' index='9' model='dmi-to-pci-bridge'/>"
    "<controller type='pci' index='10' model='pci-bridge'><target chassisNr='56'/></controller>"
    "<sound model='ich6'/>"
    "<disk type='file' device='disk'><source file='/p.raw'/><target dev='vda' bus='virtio'/>"
    "</disk>")

# Whole domains: (machine, elements before <os>, inside <os>, behind it, devices, after devices).
WHOLE = {
    "pcie": ("q35", "<vcpu>2</vcpu><cpu><numa><cell id='0' cpus='0-1' memory='32' unit='MiB'/>"
             "</numa></cpu>", "", "", PCIE, ""),
    "memory": ("q35", "<maxMemory slots='16' unit='MiB'>1024</maxMemory><vcpu>4</vcpu>"
               "<cpu mode='custom' match='exact'><model>qemu64</model><topology sockets='2' "
               "cores='2' threads='1'/><feature policy='disable' name='svm'/><numa>"
               "<cell id='0' cpus='0-1' memory='32' unit='MiB' discard='yes'><distances>"
               "<sibling id='0' value='10'/><sibling id='1' value='21'/></distances></cell>"
               "<cell id='1' cpus='2-3' memory='32' unit='MiB' memAccess='shared'/></numa></cpu>",
               "", "<features><acpi/></features>",
               "<memory model='dimm'><target><size unit='MiB'>128</size><node>1</node></target>"
               "</memory><memory model='nvdimm' access='shared'><source><path>/nv,dimm</path>"
               "<pmem/></source><target><size unit='MiB'>128</size><node>0</node><label>"
               "<size unit='KiB'>256</size></label></target></memory>"
               "<memory model='virtio-mem'><target><size unit='MiB'>128</size><node>0</node>"
               "<block unit='KiB'>2048</block><requested unit='MiB'>64</requested></target>"
               "</memory>", ""),
    "hugepages": ("q35", "<memoryBacking><source type='memfd'/><access mode='shared'/>"
                  "<allocation mode='immediate' threads='2'/><discard/></memoryBacking>", "", "",
                  "", ""),
    "file-memory": ("pc", "<memoryBacking><nosharepages/><source type='file'/></memoryBacking>", "",
                    "", "", ""),
    "iothreads": ("pc", "<iothreads>2</iothreads><iothreadids><iothread id='2' "
                  "thread_pool_min='2' thread_pool_max='8'/><iothread id='5'/></iothreadids>", "",
                  "", "<disk type='file' device='disk'><driver name='qemu' type='raw' "
                  "iothread='5'/><source file='/i.raw'/><target dev='vda' bus='virtio'/></disk>",
                  ""),
    "firmware": ("q35", "", "<loader readonly='yes' type='pflash'>/co de,fd</loader>"
                 "<nvram>/n,v.fd</nvram><bootmenu enable='yes' timeout='3000'/>"
                 "<bios useserial='yes' rebootTimeout='0'/>", "<features><acpi/><apic/>"
                 "<vmport state='off'/></features>", "<serial type='pty'/>", ""),
    "kernel": ("pc", "", "<kernel>/vm linuz</kernel><initrd>/init,rd</initrd>"
               "<cmdline>console=ttyS0 a=\"b c\" 'd' $e -S</cmdline>", "", "", ""),
    "smbios": ("pc", "<sysinfo type='smbios'><bios><entry name='vendor'>A, Inc</entry></bios>"
               "<system><entry name='manufacturer'>M=N</entry><entry name='serial'>1 2</entry>"
               "</system><oemStrings><entry>a,b</entry></oemStrings></sysinfo>",
               "<smbios mode='sysinfo'/>", "", "", ""),
    "fwcfg": ("pc", "<sysinfo type='fwcfg'><entry name='opt/a'>x,y=z</entry>"
              "<entry name='opt/b' file='/f'/></sysinfo>", "", "", "", ""),
    "hyperv": ("q35", "", "", "<features><acpi/><hyperv mode='custom'><relaxed state='on'/>"
               "<vapic state='on'/><spinlocks state='on' retries='4096'/>"
               "<vendor_id state='on' value='a b'/></hyperv><kvm><hidden state='on'/></kvm>"
               "<pmu state='off'/><smm state='on'/><ioapic driver='qemu'/></features>"
               "<clock offset='localtime'><timer name='hpet' present='no'/>"
               "<timer name='rtc' tickpolicy='catchup'/></clock>", "", ""),
    "clock": ("pc", "", "", "<clock offset='variable' adjustment='123456' basis='utc'>"
              "<timer name='pit' tickpolicy='delay'/></clock><on_reboot>destroy</on_reboot>"
              "<on_crash>preserve</on_crash><pm><suspend-to-disk enabled='no'/>"
              "<suspend-to-mem enabled='yes'/></pm>", "", ""),
    "microvm-like": ("pc", "<title>T, itle</title><description>D</description>", "",
                     "<features><acpi/></features>", "", ""),
    "words": ("pc", "", "", "", "", "<qemu:commandline>" + "".join(
        f"<qemu:arg value='{word}'/>" for word in (
            "-device", "lsi,id=x", "-S", "--device", "e1000", "-append", "-S", "-global",
            "c-cpu.model-id=a,b", "-drive", "file=a,,b,if=none,id=d")) +
        "<qemu:env name='A' value=\"b c'd\"/><qemu:env name='E' value=''/></qemu:commandline>"),
}


# Domains with this become words only when they are started: for domxml-to-native libvirt makes a
# tap of each interface, which takes rights.
ONLY_STARTED = "<interface"

SHARED_MEMORY = "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>"


def whole(name, machine, before, inside, behind, devices, after):
    boot = "" if "<kernel>" in inside or "<boot order" in devices else "<boot dev='hd'/>"
    balloon = "" if "<memballoon" in devices else "<memballoon model='none'/>"
    usb = "" if "type='usb'" in devices else "<controller type='usb' model='none'/>"
    vcpu = "" if "<vcpu>" in before else "<vcpu>1</vcpu>"
    threads = "" if "<iothreads>" in before else "<iothreads>1</iothreads>"
    shared = SHARED_MEMORY if "vhostuser" in devices else ""
    if machine == "q35":
        devices = devices.replace("bus='ide'", "bus='sata'").replace("dev='hd", "dev='sd")
    return f"""<domain type='qemu' xmlns:qemu='{guest.QEMU_NS}'>
<name>{name}</name><uuid>{guest.uuid(name)}</uuid><memory unit='MiB'>64</memory>{vcpu}{before}
{threads}{shared}
<os><type arch='x86_64' machine='{machine}'>hvm</type>{inside}{boot}</os>{behind}
<devices><emulator>{guest.EMULATOR}</emulator>{usb}{balloon}{devices}</devices>{after}</domain>
"""


def all_domains():
    """{name: XML}"""
    domains = {name: whole(name, *parts) for name, parts in WHOLE.items()}
    for kind, rows in (("graphics", GRAPHICS), ("disk", DISKS), ("nic", NICS),
                       ("chardev", CHARDEVS), ("other", OTHERS)):
        for name, devices in rows.items():
            for machine in ("pc", "q35"):
                full = f"{kind}-{name}-{machine}"
                domains[full] = whole(full, machine, "", "", "", devices, "")
    return domains
