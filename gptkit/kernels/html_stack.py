"""Which open elements a tag ends: the HTML standard's implied end tags and scopes, on the stack of open elements."""

import numpy as np

from gptkit.kernels.html_names import BLOCK, CELL, HEADING, SCOPE, TABLE, TAG, TAG_FLAGS
from gptkit.kernels.jit import helper

T_A, T_ADDRESS, T_BODY, T_DD, T_DIV, T_DT, T_HEAD, T_LI, T_P, T_RP, T_RT, T_TABLE, T_TBODY, T_TFOOT, T_THEAD, T_TR = (
    TAG[name] for name in "a address body dd div dt head li p rp rt table tbody tfoot thead tr".split()
)
# Columns of the stack
S_ELEMENT, S_FLAGS, S_NAME, S_OWN, S_CHILDREN = range(5)
NAMES = 256  # so many names have a count of open elements each; unknown ones share as many more by their hash
assert len(TAG_FLAGS) < NAMES


@helper
def slot(name, h):
    """Where the open elements of a name are counted."""
    return name if name else NAMES + np.int64(h & np.uint64(NAMES - 1))


@helper
def implied_end(name, flags, stack, top, open_names):
    """How deep the stack is after the elements that a start tag ends are closed."""
    if flags & TABLE and name != T_TABLE and open_names[T_TABLE] > 0:
        depth = top
        while depth > 0 and not stack[depth, S_OWN] & SCOPE:
            found = stack[depth, S_NAME]
            if found == T_TABLE:
                return depth
            if found == T_TBODY or found == T_THEAD or found == T_TFOOT:
                if name == T_TR or flags & CELL:
                    return depth
            elif found == T_TR and flags & CELL:
                return depth
            depth -= 1
        return top
    if name == T_LI or name == T_DD or name == T_DT:
        depth = top
        while depth > 0 and not stack[depth, S_OWN] & SCOPE:
            found = stack[depth, S_NAME]
            if (found == T_LI) if name == T_LI else (found == T_DD or found == T_DT):
                return depth - 1
            if stack[depth, S_OWN] & BLOCK and found != T_P and found != T_DIV and found != T_ADDRESS:
                break
            depth -= 1
    if flags & BLOCK and open_names[T_P] > 0:
        depth = _inside(T_P, stack, top)
        if depth > 0:
            return depth - 1
    if flags & HEADING and stack[top, S_OWN] & HEADING:
        return top - 1
    if name == T_A and open_names[T_A] > 0:
        depth = _inside(T_A, stack, top)
        if depth > 0:
            return depth - 1
    if (name == T_RT or name == T_RP) and (stack[top, S_NAME] == T_RT or stack[top, S_NAME] == T_RP):
        return top - 1
    if name == T_BODY:
        depth = top
        while depth > 0 and stack[depth, S_NAME] != T_HEAD:
            depth -= 1
        if depth > 0:
            return depth - 1
    return top


@helper
def _inside(name, stack, depth):
    """Where the nearest open element of a name is, with no other block nor scope inside it; 0 for none."""
    while depth > 0 and stack[depth, S_NAME] != name:
        if stack[depth, S_OWN] & (BLOCK | SCOPE):
            return 0
        depth -= 1
    return depth


@helper
def matching_end(name, h, flags, stack, hashes, top, open_names):
    """How deep the stack is after an end tag; as deep as before where it ends nothing."""
    if open_names[slot(name, h)] == 0:
        return top
    depth = top
    while depth > 0:
        if hashes[depth] == h:
            return depth - 1
        own = stack[depth, S_OWN]
        if own & CELL and not flags & (TABLE | SCOPE):
            return top
        if own & (BLOCK | SCOPE) and not flags & (BLOCK | SCOPE):
            return top
        depth -= 1
    return top
