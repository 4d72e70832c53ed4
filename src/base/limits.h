/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Every size that a peer can drive, in one place, with its reason.
 *
 * A limit is checked before memory is allocated for what it limits. Each has a
 * test at the limit and one past it. What is written "libvirt" is a number of
 * libvirt's wire protocol that a stock peer relies on; it must not be changed.
 */

/* --- RPC frames (libvirt) ------------------------------------------------ */

/* The length word, itself included: libvirt's VIR_NET_MESSAGE_MAX + 4. */
#define VP_FRAME_MAX (32u * 1024 * 1024 + 4)

/* Length word and the six words of the header. */
#define VP_FRAME_MIN 28u

/* Descriptors of one message. libvirt closes the connection above it. */
#define VP_FRAME_FDS_MAX 32u

/* Any XDR string: XML, monitor commands and replies. */
#define VP_XDR_STRING_MAX (4u * 1024 * 1024)

/* Typed parameters in one list that we walk through. libvirt's own lists that
 * carry domain XML (migration, save) end at 64. */
#define VP_TYPED_PARAMS_MAX 64u

/* Domains in one listing (libvirt's REMOTE_DOMAIN_LIST_MAX). */
#define VP_DOMAIN_LIST_MAX 16384u

/* --- RPC connections ----------------------------------------------------- */

/* Bytes that wait to be written to one peer before the other side is no longer
 * read. One full-size stream chunk (256 KiB) may always be on its way. */
#define VP_LINK_HIGH_WATER (512u * 1024)

/* Descriptors that wait in the same way, those of two messages. They are open in this process, and
 * 512 KiB of frames could carry more of them than it may have. */
#define VP_LINK_FDS_HIGH_WATER 64u

/* Events that wait for a client that does not read them. Events cannot be held back at their
 * source without holding up everybody, so above this the client is dropped. */
#define VP_CLIENT_BACKLOG_MAX (16u * 1024 * 1024)

/* One read. As large as the socket buffers that Linux gives a unix socket, so
 * that a stream is moved with few system calls; shared by all connections. */
#define VP_READ_CHUNK (256u * 1024)

/* Client connections at a time; the number libvirtd.conf ships (max_clients). */
#define VP_CLIENTS_MAX_DEFAULT 5000u

/* What that may be set to. No process has so many descriptors (the kernel's fs.nr_open is 1048576,
 * and a client needs two), so more is a slip. */
#define VP_CLIENTS_MAX 1000000u

/* Of these, clients that libvirtd does not know yet, since they have not opened their connection;
 * libvirtd's own default (max_anonymous_clients). One that means it is through in milliseconds. */
#define VP_CLIENTS_ANONYMOUS_MAX_DEFAULT 20u

/* Connections that the kernel keeps for us while none is accepted (max_queued_clients); libvirtd's
 * own default. */
#define VP_CLIENTS_QUEUED_MAX_DEFAULT 1000u

/* One user's connections, to our own sockets and to all domains' QMP sockets: a fifth of all, so
 * that it takes several users to fill the places; but where there are few, enough for the tools of
 * a busy host. */
#define VP_CLIENTS_SHARES 5u
#define VP_CLIENTS_OF_USER_MIN 20u

/* Places that are kept for root, who is to find out what the others are doing: a few tools and
 * shells. (No more than a share: a daemon that is to have three clients has three.) */
#define VP_CLIENTS_RESERVED 16u

/* Monitor commands of one client that we answer and that have no reply yet.
 * libvirtd reads 5 calls ahead (max_client_requests); more allows a client to
 * keep QEMU's queue of 8 full and to have the next ones ready. Reading from the
 * client stops while it has that many. */
#define VP_CLIENT_COMMANDS_MAX 32u

/* Frames of one client with a serial from 2^31 up, where ours are (rpc/calls.c), that may still be
 * answered. libvirt's clients count up from 0 and have none; libvirtd reads 5 calls ahead. Reading
 * from the client stops while it has that many. */
#define VP_CLIENT_HIGH_SERIALS_MAX 1024u

/* Calls of one client about command lines that have no reply yet: each has libvirtd make a command
 * line, and holds two definitions. */
#define VP_CLIENT_OWN_CALLS_MAX 4u

/* XML that the loop's thread itself reads, in one message. Some 15 MB a second are read, so this
 * takes two milliseconds; a domain has 3 to 20 KiB. What is longer goes to a thread. */
#define VP_INLINE_XML_MAX (32u * 1024)

/* Event registrations of one client. libvirt has no limit here; a client needs
 * one for each event name that it listens to. */
#define VP_CLIENT_EVENTS_MAX 256u

/* Users about whom libvirtd is being asked at a time, before they are served: each takes a thread
 * and a connection, for a millisecond. Others wait. */
#define VP_ADMISSIONS_RUNNING_MAX 16u

/* --- TLS ----------------------------------------------------------------- */

/* Peers that have connected and not shown yet who they are. Each holds a descriptor and some 50 KiB
 * for that long, and takes a few milliseconds of the only thread when it goes on. With one more the
 * oldest is dropped: who means it is through in less time than it takes for so many to come. */
#define VP_TLS_HANDSHAKES_MAX 64u

/* All that a client sends before it is known. Most of it is its chain of certificates, of 2 KiB
 * each. */
#define VP_TLS_HANDSHAKE_BYTES_MAX (64u * 1024)

/* Lines in the log about peers whose certificate is refused, within VP_TLS_REFUSALS_MS; what comes
 * on top is counted, and told before the first of the next. Whoever reaches the port makes them. */
#define VP_TLS_REFUSALS_LOGGED_MAX 20u
#define VP_TLS_REFUSALS_MS 60000u

/* A certificate's distinguished name as text. libvirtd itself ends at 256; what it will take is
 * its to say. */
#define VP_TLS_NAME_MAX 1024u

/* One record (TLS 1.2 and 1.3): what is read or written at a time. */
#define VP_TLS_RECORD_MAX (16u * 1024)

/* --- QMP sessions -------------------------------------------------------- */

/* In-band commands that QEMU queues for a monitor with out-of-band execution
 * (QMP_REQ_QUEUE_LEN_MAX). With one more QEMU suspends the monitor and exec-oob
 * no longer overtakes. */
#define VP_QMP_IN_FLIGHT_MAX 8u

/* One message from QEMU. The longest that QEMU 11 produces is the answer to
 * query-qmp-schema (about 250 KiB); guest-driven lists can be longer. Where libvirt
 * itself gives up its monitor (QEMU_MONITOR_MAX_RESPONSE); the loop's thread takes
 * 3 ns a byte to pass it on. */
#define VP_QMP_MESSAGE_MAX (10u * 1024 * 1024)

/* Members of one message's object. QEMU writes four at most, and each is compared with all
 * names that are known. */
#define VP_QMP_MEMBERS_MAX 16u

/* Bytes of an event's name as it is written. QEMU's longest has 35. Clients' expressions are tried
 * on it by the loop's thread, and the log names it. */
#define VP_QMP_EVENT_NAME_MAX 255u

/* Nesting of a QMP command; QEMU's own limit is 1024 (MAX_NESTING). */
#define VP_QMP_NESTING_MAX 1000u

/* Values, keys and brackets of a QMP command. A transaction on a thousand disks has some
 * 20000. QEMU counts commas and colons too and ends at 2 Mi tokens (MAX_TOKEN_COUNT), in the
 * middle of the text: each further token is answered with an error of its own. The loop's thread
 * takes 100 ns or more for each, and looks twice. */
#define VP_QMP_TOKENS_MAX 100000u

/* Commands of one client that wait for a place in flight. */
#define VP_QMP_QUEUE_MAX 1024u

/* One command, white space included. QEMU reads its monitor at some 3 us a byte, so that this
 * one has all of it for seconds; and the loop's thread checks it, at 6 ns a byte and more than
 * once. What is longer and came by libvirt's protocol is left to libvirtd, whose limit is
 * VP_XDR_STRING_MAX. QEMU's own is 64 MiB (MAX_TOKEN_SIZE) of tokens. */
#define VP_QMP_COMMAND_MAX (1024u * 1024)

/* Their bytes: all that a client may have under way (VP_CLIENT_COMMANDS_MAX) at
 * full length, so that the limit is met only by who ignores that one. */
#define VP_QMP_QUEUE_BYTES_MAX (VP_CLIENT_COMMANDS_MAX * VP_QMP_COMMAND_MAX)

/* Out-of-band commands with QEMU. It answers them at once; more than a few are
 * there only while it is stopped, and each client that comes and goes would leave
 * some behind. */
#define VP_QMP_OOB_IN_FLIGHT_MAX 64u

/* Replies on one connection that belong to no command. QEMU sends none. */
#define VP_QMP_STRAYS_MAX 100u

/* In-band commands that may go without an id of ours before one has to carry it, by which is seen
 * that replies are still in step: as many as can be in flight, so that one of these always has. */
#define VP_QMP_UNTAGGED_MAX (VP_QMP_IN_FLIGHT_MAX - 1)

/* Descriptors that go with one command: QEMU's chardev takes 16 (TCP_MAX_FDS)
 * and closes the rest without a word. */
#define VP_QMP_FDS_MAX 16u

/* --- clients of the QMP sockets ------------------------------------------ */

/* Clients of one domain at a time. Each needs a descriptor of ours, and gets a 2048th of QEMU. */
#define VP_QMP_CLIENTS_MAX 2048u

/* Of these, clients that libvirtd is being asked about for the first time. Opening a connection for
 * it is what costs most. */
#define VP_QMP_VISITORS_MAX 64u

/* Clients of one domain that are neither root nor ourselves, connected or waiting for that. Each
 * has a connection to libvirtd, which by default takes 5000, and is asked about twice a second,
 * which costs libvirtd 0.2 ms each time and more with polkit. */
#define VP_QMP_UNTRUSTED_MAX 256u

/* Descriptors that a client has given names to and not used yet: a network device with 256
 * queues needs two for each. QEMU has no limit but that of its process. */
#define VP_QMP_NAMES_MAX 512u

/* Names in one list of a command's. QEMU itself looks at no more of them (MAX_TAP_QUEUES), so the
 * rest is left out. */
#define VP_QMP_LIST_MAX 1024u

/* Nesting down to which names of descriptors are looked for. QEMU's deepest place is a block
 * device's server in a chain of nodes. */
#define VP_QMP_NAMES_DEPTH_MAX 64u

/* Events of a running domain that are remembered, 16 bytes each, to know their second copy by. When
 * a session ends while libvirtd is behind by more than that, clients see some of them twice. */
#define VP_EVENTS_SEEN_MAX 512u

/* --- JSON trees ---------------------------------------------------------- */

/* Nesting of a text that is read as a tree; who walks one may recurse. The deepest that QEMU writes
 * is a level for each image of a backing chain, and libvirt ends these at 200. */
#define VP_JSON_DEPTH_MAX 512u

/* Values in one tree, 48 bytes each, which take the loop's thread 200 ns. query-qmp-schema has
 * 16000 in QEMU 7.2; query-named-block-nodes has some 70 for each of a guest's block nodes. */
#define VP_JSON_VALUES_MAX 150000u

/* --- Plans --------------------------------------------------------------- */

/* A plan as text. It is one environment variable of the guest's, and Linux starts no program with
 * one that is longer than 128 KiB (MAX_ARG_STRLEN); the rest is for its name, and so that nothing
 * has to be counted to the byte. */
#define VP_PLAN_SIZE_MAX (96u * 1024)

/* Added commands of one user of a session that have no reply yet: as many as a client may have
 * commands (VP_CLIENT_COMMANDS_MAX). One runs at a time, the others' texts are kept. */
#define VP_ADDED_CALLS_MAX 32u

/* One answer of QEMU's to an added command: as much as libvirt's protocol carries, and so all that
 * could be made of it. It is read by the loop's thread, at 6 ns a byte. */
#define VP_ADDED_ANSWER_MAX VP_XDR_STRING_MAX

/* One text of the human monitor's that becomes data, and a list of QEMU's that gets entries of
 * ours. A guest with a thousand devices has a text of some 0.5 MB; one takes the loop's thread up
 * to 50 ns a byte. */
#define VP_ADDED_TEXT_MAX (1024u * 1024)

/* Added commands of one session that go on although whoever sent them has left. With as many no
 * further one begins. Who leaves a savevm behind does so for a reason, but hardly often. */
#define VP_ADDED_ORPHANS_MAX 8u

/* What an added command keeps in a domain's <metadata>, one text. It is read with every definition
 * of the domain; a thousand snapshots with their parents take less. */
#define VP_ADDED_KEPT_MAX (256u * 1024)

/* --- The shim's links ---------------------------------------------------- */

/* Bytes of the path of an <emulator> for which the shim is to stand. The link's path has all of it
 * behind a directory of the operator's, and Linux ends paths at 4096; the longest that anybody
 * needs, in a store whose directories are called by digests, has some 150. */
#define VP_EMULATOR_PATH_MAX 1024u

/* Parts of that path, each of which is a directory in the tree of links. Stores have five. */
#define VP_EMULATOR_PARTS_MAX 32u

/* Links in the tree of virtpassd's, one for each emulator that is in no package's tree. Who may
 * define domains makes them, and one that a saved guest may name is not removed by itself. Hosts
 * have a handful; a compute node with each release of QEMU for thirty architectures has less. */
#define VP_SHIM_LINKS_MAX 256u

/* Directories in it that are gone through before there is one link more, 20 us each, by the loop's
 * thread. With as many there is no room either: links of a store have three of their own. */
#define VP_SHIM_DIRECTORIES_MAX 1024u

/* --- Snapshots ----------------------------------------------------------- */

/* Snapshots in all images of a domain together: each is held against all others. qcow2 itself
 * allows 65536 in one image, of which QEMU would need minutes to write the table. */
#define VP_SNAPSHOTS_MAX 4096u

/* Snapshots that libvirt knows of for a domain, up to which it is asked for each: a definition of
 * 10 kB or more, and a third of a millisecond. With more of them its word is not used. */
#define VP_LIBVIRT_SNAPSHOTS_MAX 512u

/* Of such a definition's document. The loop's thread reads it, at up to 30 ns a byte. With a longer
 * one libvirt's word is not used. */
#define VP_LIBVIRT_SNAPSHOT_XML_MAX (512u * 1024)

/* Snapshots whose parents are remembered, about 90 bytes each in the domain's definition. */
#define VP_LINEAGE_MAX 1024u

/* Bytes of a snapshot's name: QEMU cuts off what is longer without a word. */
#define VP_SNAPSHOT_NAME_MAX 255u

/* --- XML ----------------------------------------------------------------- */

/* Element nesting; libxml2's own default (xmlParserMaxDepth). */
#define VP_XML_DEPTH_MAX 256u

/* Attributes of one element. libxml2 compares each with all the others, so that one
 * element of 4 MiB would keep it busy for minutes; libvirt's own have less than 20. */
#define VP_XML_ATTRIBUTES_MAX 256u

/* Namespace declarations that apply to one element. libxml2 looks through them for
 * each name. */
#define VP_XML_NAMESPACES_MAX 1024u

/* Different names in a document: of elements, attributes, prefixes, namespaces, instructions.
 * libxml2's table of them has at most 16384 rows, and a document of 4 MiB could have it search
 * them for seconds. libvirt's schema knows less than 2000. */
#define VP_XML_NAMES_MAX 16384u

/* --- QEMU's command line ------------------------------------------------- */

/* Its words, the program's name included. A guest with a thousand devices has some 5000. */
#define VP_ARGV_WORDS_MAX 65536u

/* Bytes of one word, its NUL not counted: the longest that Linux passes to a program
 * (MAX_ARG_STRLEN). */
#define VP_ARGV_WORD_MAX (128u * 1024 - 1)

/* Bytes of all words, the NUL of each included: what Linux lets a program start with under the
 * usual stack of 8 MiB (ARG_MAX). */
#define VP_ARGV_BYTES_MAX (2u * 1024 * 1024)

/* Bytes of a dotted key in a JSON value. QEMU's names have less than 40, and a chain of images
 * nests "backing." as often as it is long. */
#define VP_ARGV_KEY_MAX 2048u

/* --- Regular expressions of authors -------------------------------------- */

/* One expression. PCRE itself ends at 64 KiB compiled. */
#define VP_REGEX_MAX 4096u

/* What one is tried on; libvirt's own values end at about 2 KiB. It bounds what PCRE does between
 * two calls, by which its steps are counted. */
#define VP_REGEX_SUBJECT_MAX 8192u

/* KiB of memory of one match: what a repeated group needs on the longest subject, several times. */
#define VP_REGEX_HEAP_KIB_MAX (16u * 1024)

/* Steps of all work on one domain's command line, once when it is compiled and once when it is
 * carried out: 20 alters on 1000 devices take a tenth of it. About a second, of a worker's or of
 * the shim's. */
#define VP_BUDGET_STEPS_MAX 50000000u

/* Where a replacement names what was found, \1 and the like. Each may be as long as the subject. */
#define VP_REGEX_REFERENCES_MAX 256u

/* --- QEMU's configuration file ------------------------------------------- */

/* Group, id and key: QEMU reads them into 64 bytes and drops the rest. */
#define VP_CONFIG_NAME_MAX 63u

/* A line without its end: QEMU reads it into 1024 bytes and takes the rest for the next. */
#define VP_CONFIG_LINE_MAX 1023u

/* A list of flags in a cpudef. A word of CPUID has 32 of them, of up to 20 letters. */
#define VP_CPUDEF_FLAGS_MAX 4096u

/* --- what a QEMU binary is asked ----------------------------------------- */

/* The binary need not be QEMU: who may define a domain names it. */

/* Device types. QEMU 7.2 for x86 has 445. */
#define VP_PROBE_TYPES_MAX 8192u

/* All that one process of it says. QEMU 7.2 for x86 says 3.3 MB, 11.1 5 MB. */
#define VP_PROBE_BYTES_MAX (16u * 1024 * 1024)

/* Device types that may end the process by being asked for. A stock Debian has two; a build whose
 * modules do not fit to it would end with each of them, and each costs a start of QEMU. */
#define VP_PROBE_DEATHS_MAX 32u

/* Steps of one look-up in a schema, and how deep they go: three down for each dot of a key, and a
 * driver of blockdev's more or less at each. Keys end at VP_ARGV_KEY_MAX. */
#define VP_SCHEMA_STEPS_MAX 40000u
#define VP_SCHEMA_DEPTH_MAX 1024u

/* One message of it, without the end of its line: it is read in one go. The longest, QEMU's schema,
 * has some 0.4 MB. */
#define VP_PROBE_MESSAGE_MAX (2u * 1024 * 1024)

/* Bytes of its complaints that are read in one turn of the loop. It may never stop. */
#define VP_PROBE_STDERR_TURN_MAX (64u * 1024)

/* Binaries that are asked at a time; others wait. It takes a processor for half a second. */
#define VP_PROBE_RUNNING_MAX 4u

/* Of these, for one client's user: one that never ends holds up those of the same user. */
#define VP_PROBE_OWNER_RUNNING_MAX 1u

/* Binaries that wait for their turn on behalf of one user; for more the answer is an error. */
#define VP_PROBE_OWNER_WAITING_MAX 32u

/* Limits of the process: address space (QEMU 7.2 takes 0.3 GB, half of it libraries),
 * processor time (QEMU 7.2 takes 0.5 s), processes and threads (QEMU has 3, a script around it some
 * more), open files (QEMU has 20). */
#define VP_PROBE_MEMORY_MAX (2ull * 1024 * 1024 * 1024)
#define VP_PROBE_CPU_SECONDS_MAX 30u
#define VP_PROBE_PROCESSES_MAX 16u
#define VP_PROBE_FILES_OPEN_MAX 128u

/* Threads that look at paths which clients named, and those of them for one client's user. One that
 * looks at a file server which has gone may be there for ever; often all clients are root. */
#define VP_LOOK_RUNNING_MAX 96u
#define VP_LOOK_OWNER_RUNNING_MAX 8u

/* Binaries whose facts are kept in memory (1 MB each), and in files. Hosts have one or two, or one
 * for each architecture: 30. */
#define VP_PROBE_KEPT_MAX 32u
#define VP_PROBE_FILES_MAX 64u

/* --- files of guests and of libvirt -------------------------------------- */

/* Sockets that one look for dead ones tries: whoever can make them can make many. Hosts have one
 * for each running guest. */
#define VP_DEAD_SOCKETS_MAX 4096u

/* libvirt's pid file: a number and a line end. */
#define VP_PID_FILE_MAX 32u

/* The words in /proc of a process: what Linux lets it start with. It may move them afterwards. */
#define VP_PROCESS_WORDS_MAX VP_ARGV_BYTES_MAX

/* /proc/PID/status, whose longest line lists supplementary groups (65536 in all). */
#define VP_PROCESS_STATUS_MAX (1024u * 1024)

/* What virtpass-emulator notes in the guest's directory: two command lines as JSON, and a bit. */
#define VP_SHIM_RECORD_MAX (4u * VP_ARGV_BYTES_MAX)
