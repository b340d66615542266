// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

interface Credentials {
    function ownerOf(uint256 tokenId) external view returns (address);

    function getAccessData(uint256 tokenId)
        external
        view
        returns (bytes memory userEncrypted, string memory decryptMessage, uint256 issuedAt, uint256 expiresAt);
}

/// @title Reads many tokens with one request, whatever chain they are on.
/// @notice It is never deployed. A node runs the constructor for an `eth_call` without a recipient, and what that
/// returns stands where the code of a contract would: for each token its owner and its expiry, in Unix seconds. Of a
/// token that cannot be read the owner is zero.
contract CredentialReader {
    constructor(Credentials credentials, uint256[] memory tokenIds) {
        uint256[] memory facts = new uint256[](2 * tokenIds.length);
        for (uint256 i = 0; i < tokenIds.length; i++) {
            try credentials.getAccessData(tokenIds[i]) returns (
                bytes memory, string memory, uint256, uint256 expiresAt
            ) {
                try credentials.ownerOf(tokenIds[i]) returns (address owner) {
                    facts[2 * i] = uint160(owner);
                    facts[2 * i + 1] = expiresAt;
                } catch {}
            } catch {}
        }
        bytes memory answer = abi.encode(facts);
        assembly ("memory-safe") {
            return(add(answer, 32), mload(answer))
        }
    }
}
