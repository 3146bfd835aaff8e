# What enters a program for 64-bit mode at 16 MiB, as monitors without firmware do, where QEMU is the one to start it: QEMU's
# own direct entry (PVH) is in 32-bit protected mode. The program is what PROGRAM names.

.set tables, 0x800000
.set program, 0x1000000

.section .note, "a"
.balign 4
    .long 4, 4, 18                  # XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .long entry

.section .text
.code32
.globl entry
entry:
    mov $tables, %edi
    xor %eax, %eax
    mov $0xc00, %ecx
    rep stosl
    movl $(tables + 0x1003), tables
    movl $(tables + 0x2003), tables + 0x1000
    mov $(tables + 0x2000), %edi
    mov $0x83, %eax
    mov $512, %ecx                  # 1 GiB, in pages of 2 MiB
1:  mov %eax, (%edi)
    add $0x200000, %eax
    add $8, %edi
    loop 1b
    lgdt pointer
    mov %cr4, %eax
    or $0x20, %eax
    mov %eax, %cr4
    mov $tables, %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx
    rdmsr
    or $0x100, %eax
    wrmsr
    mov %cr0, %eax
    or $0x80000000, %eax
    mov %eax, %cr0
    ljmp $8, $program
.balign 8
gdt:
    .quad 0, 0x00af9a000000ffff
pointer:
    .word 15
    .long gdt

.section .program, "awx"
    .incbin PROGRAM
