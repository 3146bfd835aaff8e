// The proof that a virtual processor runs an AArch64 guest: page tables, the MMU, a floating-point instruction and an
// exception through the vector table; then "kelpie" goes to the serial port and PSCI turns the machine off.
//
// Build: aarch64-linux-gnu-gcc -c probe-arm64.S && aarch64-linux-gnu-objcopy -O binary -j .text probe-arm64.o probe-arm64.bin
// QEMU's `virt` starts it in memory at 0x40200000, which is the vector table too: of that, only one entry is used.

.equ uart, 0x09000000
.equ tables, 0x40300000
.equ device_block, 0x405            // access flag, attribute 1, block
.equ memory_block, 0x40000701       // the second GiB: access flag, inner shareable, attribute 0, block
.equ psci_system_off, 0x84000008

.section .text
start:
    b main
    .org 0x200                      // a synchronous exception at the current level, on its own stack
    ldr x2, =uart
    adr x3, answer
next:
    ldrb w4, [x3], #1
    cbz w4, off
    strb w4, [x2]
    b next
off:
    ldr w0, =psci_system_off
    hvc #0
halt:
    wfi
    b halt

main:
    adr x0, start
    msr vbar_el1, x0
    // Two 1 GiB blocks, each where it is: devices, and memory.
    ldr x0, =tables
    mov x1, #device_block
    str x1, [x0]
    ldr x1, =memory_block
    str x1, [x0, #8]
    mov x1, #0x04ff                 // attribute 0: normal, write-back; attribute 1: device
    msr mair_el1, x1
    ldr x1, =0x803519               // 39-bit addresses, write-back tables, no walks of TTBR1
    msr tcr_el1, x1
    msr ttbr0_el1, x0
    dsb sy
    isb
    mrs x1, sctlr_el1
    orr x1, x1, #1                  // the MMU
    msr sctlr_el1, x1
    isb
    mov x1, #(3 << 20)              // floating point
    msr cpacr_el1, x1
    isb
    fmov d0, #1.0
    fadd d0, d0, d0
    svc #0
    b halt
answer:
    .asciz "kelpie"
    .balign 8
