"""Gives the source of Rust's standard library a minimal port to target_os = "solana".

usage: patch_std.py <library directory of a rustc source tree, changed in place>

Every edit names the text it replaces and fails if that text is not there, so a newer source is either patched as meant or
refused.
"""

import pathlib
import sys

library = pathlib.Path(sys.argv[1])


def edit(file, *pairs):
    path = library / file
    text = path.read_text()
    for old, new in pairs:
        if old not in text:
            sys.exit(f"patch_std: {file} has changed; expected to find:\n{old}")
        text = text.replace(old, new, 1)
    path.write_text(text)


# Programs bring a #[global_allocator]; `System` only has to exist.
edit(
    "std/src/sys/alloc/mod.rs",
    (
        '    target_arch = "xtensa",\n)) {\n    8\n',
        '    target_arch = "xtensa",\n    target_arch = "bpf",\n)) {\n    8\n',
    ),
    (
        '    target_os = "zkvm" => {\n        mod zkvm;\n    }\n',
        '    target_os = "zkvm" => {\n        mod zkvm;\n    }\n    target_os = "solana" => {\n        mod solana;\n    }\n',
    ),
)
(library / "std/src/sys/alloc/solana.rs").write_text(
    """use crate::alloc::{GlobalAlloc, Layout, System};

#[stable(feature = "alloc_system_type", since = "1.28.0")]
unsafe impl GlobalAlloc for System {
    #[inline]
    unsafe fn alloc(&self, _layout: Layout) -> *mut u8 {
        crate::ptr::null_mut()
    }
    #[inline]
    unsafe fn dealloc(&self, _ptr: *mut u8, _layout: Layout) {}
}
"""
)

# I/O errors, thread locals and randomness: as on other targets that have none.
edit(
    "std/src/sys/io/error/mod.rs",
    ('        target_os = "zkvm",\n', '        target_os = "zkvm",\n        target_os = "solana",\n'),
)
edit(
    "std/src/sys/thread_local/mod.rs",
    (
        '        target_os = "vexos",\n    ) => {\n        mod no_threads;',
        '        target_os = "vexos",\n        target_os = "solana",\n    ) => {\n        mod no_threads;',
    ),
    (
        '            target_os = "vexos",\n        ) => {\n            pub(crate) fn enable()',
        '            target_os = "vexos",\n            target_os = "solana",\n        ) => {\n            pub(crate) fn enable()',
    ),
)
edit(
    "std/src/sys/random/mod.rs",
    (
        '        target_os = "vexos",\n    ) => {',
        '        target_os = "vexos",\n        target_os = "solana",\n    ) => {',
    ),
    (
        '    target_os = "vexos",\n)))]',
        '    target_os = "vexos",\n    target_os = "solana",\n)))]',
    ),
)

# There are no writable statics on chain: hash keys are fixed.
edit(
    "std/src/hash/random.rs",
    (
        "        thread_local!(static KEYS",
        '        if cfg!(target_os = "solana") {\n'
        "            return RandomState { k0: 0x736f_6c61_6e61, k1: 0x7362_7066 };\n"
        "        }\n"
        "        thread_local!(static KEYS",
    ),
)

# A panic calls the program's `custom_panic` (defined by its entry point) and aborts.
HANDLER = "pub fn panic_handler(info: &core::panic::PanicInfo<'_>) -> ! {\n"
edit(
    "std/src/panicking.rs",
    (
        HANDLER,
        HANDLER + '    #[cfg(target_os = "solana")]\n'
        "    {\n"
        '        unsafe extern "Rust" {\n'
        "            fn custom_panic(info: &core::panic::PanicInfo<'_>);\n"
        "        }\n"
        "        unsafe { custom_panic(info) };\n"
        "        crate::sys::abort_internal()\n"
        "    }\n"
        '    #[cfg(not(target_os = "solana"))]\n'
        "    panic_handler_std(info)\n"
        "}\n"
        "\n"
        '#[cfg(not(any(test, doctest, target_os = "solana")))]\n' + HANDLER.replace("pub fn panic_handler", "fn panic_handler_std"),
    ),
    (
        "    let must_abort = panic_count::increase(true);\n",
        '    if cfg!(target_os = "solana") {\n'
        "        crate::sys::abort_internal();\n"
        "    }\n"
        "    let must_abort = panic_count::increase(true);\n",
    ),
)
edit(
    "std/src/alloc.rs",
    (
        "pub fn rust_oom(layout: Layout) -> ! {\n",
        'pub fn rust_oom(layout: Layout) -> ! {\n    if cfg!(target_os = "solana") {\n        panic!("out of memory");\n    }\n',
    ),
)

# The stable sort keeps 4 KiB of scratch on the stack, which a 4 KiB frame cannot hold.
SCRATCH = ("AlignedStorage::<T, 4096>", "AlignedStorage::<T, 1024>")
edit("core/src/slice/sort/stable/mod.rs", SCRATCH, SCRATCH)
edit("core/src/slice/sort/shared/smallsort.rs", ("MAX_STACK_ARRAY_SIZE: usize = 4096", "MAX_STACK_ARRAY_SIZE: usize = 1024"))
