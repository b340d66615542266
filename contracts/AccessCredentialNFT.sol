// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {ERC721Enumerable} from "@openzeppelin/contracts/token/ERC721/extensions/ERC721Enumerable.sol";
import {Base64} from "@openzeppelin/contracts/utils/Base64.sol";
import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";

/// @title A token per virtual machine: who owns the token may log in to the machine.
/// @notice Selectors, events, views and the document of `tokenURI` are those of profile v0.4, so that the PAM module
/// libpam-web3 0.4 and its tools read it. A token can be transferred, which moves the access with it. Nothing can be
/// burned or revoked, and the module does not read `expiresAt`: see docs/access.md.
/// Ownership changes in two steps: the new owner has to accept it, so that a wrong address loses nothing.
contract AccessCredentialNFT is ERC721Enumerable, Ownable2Step {
    using Strings for string;
    using Strings for uint256;

    /// @notice Largest signing page, in bytes of its Base64. One transaction has to store it, and the chains cap a
    /// transaction at 2^24 gas.
    uint256 public constant SIGNING_PAGE_LIMIT = 16_384;

    /// @dev What a token tells beside its owner. `expiresAt` is in Unix seconds; 0 is never.
    struct Credential {
        uint128 issuedAt;
        uint128 expiresAt;
        bytes userEncrypted;
        string decryptMessage;
        string description;
        string imageUri;
        string animationUrlBase64;
    }

    event CredentialMinted(
        uint256 indexed tokenId, address indexed recipient, uint256 issuedAt, uint256 expiresAt
    );
    event CredentialUpdated(uint256 indexed tokenId);
    event SigningPageUpdated();

    /// @dev Part of the ABI of profile v0.4; expiry ends no function here, so nothing reverts with it.
    error CredentialExpired(uint256 tokenId, uint256 expiresAt);
    /// @notice The arrays of `mintBatch` differ in length.
    error BatchLengthMismatch();
    error ExpirationTooLate(uint256 expiresAt);
    /// @notice Nobody could mint or update any more, for ever.
    error OwnershipMustStay();
    error SigningPageTooLarge(uint256 size, uint256 limit);

    uint256 private _nextTokenId;
    string private _signingPageBase64;
    string private _defaultImageUri;
    mapping(uint256 tokenId => Credential) private _credentials;

    /// @param signingPageBase64 The HTML page that every token without one of its own carries.
    constructor(
        string memory name,
        string memory symbol,
        string memory signingPageBase64,
        string memory defaultImageUri
    ) ERC721(name, symbol) Ownable(msg.sender) {
        _storeSigningPage(signingPageBase64);
        _defaultImageUri = defaultImageUri;
    }

    /// @param userEncrypted What only the owner can decrypt; may be empty.
    /// @param decryptMessage What the owner signs to get the key to it.
    /// @param animationUrlBase64 A page for this token alone; empty for the contract's.
    /// @param expiresAt Unix seconds; 0 is never.
    function mint(
        address to,
        bytes calldata userEncrypted,
        string calldata decryptMessage,
        string calldata description,
        string calldata imageUri,
        string calldata animationUrlBase64,
        uint256 expiresAt
    ) external onlyOwner returns (uint256 tokenId) {
        return _mintCredential(
            to,
            Credential({
                issuedAt: uint128(block.timestamp),
                expiresAt: _checkedExpiration(expiresAt),
                userEncrypted: userEncrypted,
                decryptMessage: decryptMessage,
                description: description,
                imageUri: imageUri,
                animationUrlBase64: animationUrlBase64
            })
        );
    }

    /// @notice Mints one token per element, all or none.
    function mintBatch(
        address[] calldata recipients,
        bytes[] calldata userEncrypteds,
        string[] calldata decryptMessages,
        string[] calldata descriptions,
        string[] calldata imageUris,
        string[] calldata animationUrlBase64s,
        uint256[] calldata expirations
    ) external onlyOwner returns (uint256[] memory tokenIds) {
        uint256 count = recipients.length;
        bool sameLength = userEncrypteds.length == count && decryptMessages.length == count
            && descriptions.length == count && imageUris.length == count && animationUrlBase64s.length == count
            && expirations.length == count;
        if (!sameLength) revert BatchLengthMismatch();
        tokenIds = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) {
            tokenIds[i] = _mintCredential(
                recipients[i],
                Credential({
                    issuedAt: uint128(block.timestamp),
                    expiresAt: _checkedExpiration(expirations[i]),
                    userEncrypted: userEncrypteds[i],
                    decryptMessage: decryptMessages[i],
                    description: descriptions[i],
                    imageUri: imageUris[i],
                    animationUrlBase64: animationUrlBase64s[i]
                })
            );
        }
    }

    /// @notice Always reverts. The function is part of the ABI of profile v0.4.
    function renounceOwnership() public pure override {
        revert OwnershipMustStay();
    }

    function updateUserEncrypted(uint256 tokenId, bytes calldata newUserEncrypted) external onlyOwner {
        _existing(tokenId).userEncrypted = newUserEncrypted;
        emit CredentialUpdated(tokenId);
    }

    function updateExpiration(uint256 tokenId, uint256 newExpiration) external onlyOwner {
        _existing(tokenId).expiresAt = _checkedExpiration(newExpiration);
        emit CredentialUpdated(tokenId);
    }

    function updateAnimationUrl(uint256 tokenId, string calldata newAnimationUrlBase64) external onlyOwner {
        _existing(tokenId).animationUrlBase64 = newAnimationUrlBase64;
        emit CredentialUpdated(tokenId);
    }

    function setSigningPage(string calldata newSigningPageBase64) external onlyOwner {
        _storeSigningPage(newSigningPageBase64);
        emit SigningPageUpdated();
    }

    function setDefaultImageUri(string calldata newDefaultImageUri) external onlyOwner {
        _defaultImageUri = newDefaultImageUri;
    }

    function getAccessData(uint256 tokenId)
        external
        view
        returns (bytes memory userEncrypted, string memory decryptMessage, uint256 issuedAt, uint256 expiresAt)
    {
        Credential storage credential = _existing(tokenId);
        return (
            credential.userEncrypted, credential.decryptMessage, credential.issuedAt, credential.expiresAt
        );
    }

    function isExpired(uint256 tokenId) external view returns (bool) {
        uint256 expiresAt = _existing(tokenId).expiresAt;
        return expiresAt != 0 && block.timestamp > expiresAt;
    }

    /// @return A `data:` URI with the token's JSON document.
    function tokenURI(uint256 tokenId) public view override returns (string memory) {
        Credential storage credential = _existing(tokenId);
        bytes memory document = bytes.concat(
            '{"name":"Access Credential #',
            bytes(tokenId.toString()),
            '","description":"',
            bytes(credential.description.escapeJSON()),
            '","image":"',
            bytes(_orDefault(credential.imageUri, _defaultImageUri).escapeJSON()),
            '","animation_url":"data:text/html;base64,',
            bytes(_orDefault(credential.animationUrlBase64, _signingPageBase64).escapeJSON()),
            '","attributes":',
            _attributes(credential),
            ',"access":{"user_encrypted":"',
            bytes(Strings.toHexString(credential.userEncrypted)),
            '","decrypt_message":"',
            bytes(credential.decryptMessage.escapeJSON()),
            '"}}'
        );
        return string.concat("data:application/json;base64,", Base64.encode(document));
    }

    function _mintCredential(address to, Credential memory credential) private returns (uint256 tokenId) {
        tokenId = _nextTokenId++;
        // Before the receiver is called, which may look at the token.
        _credentials[tokenId] = credential;
        emit CredentialMinted(tokenId, to, credential.issuedAt, credential.expiresAt);
        _safeMint(to, tokenId);
    }

    function _storeSigningPage(string memory pageBase64) private {
        uint256 size = bytes(pageBase64).length;
        if (size > SIGNING_PAGE_LIMIT) revert SigningPageTooLarge(size, SIGNING_PAGE_LIMIT);
        _signingPageBase64 = pageBase64;
    }

    function _existing(uint256 tokenId) private view returns (Credential storage) {
        _requireOwned(tokenId);
        return _credentials[tokenId];
    }

    function _checkedExpiration(uint256 expiresAt) private pure returns (uint128) {
        if (expiresAt > type(uint128).max) revert ExpirationTooLate(expiresAt);
        return uint128(expiresAt);
    }

    function _orDefault(string storage text, string storage fallbackText) private view returns (string memory) {
        return bytes(text).length > 0 ? text : fallbackText;
    }

    function _attributes(Credential storage credential) private view returns (bytes memory) {
        return bytes.concat(
            '[{"trait_type":"Type","value":"Server Access"},',
            _dateAttribute("Issued", credential.issuedAt),
            credential.expiresAt == 0
                ? bytes("")
                : bytes.concat(",", _dateAttribute("Expires", credential.expiresAt)),
            "]"
        );
    }

    /// @param time Unix seconds.
    function _dateAttribute(bytes memory label, uint256 time) private pure returns (bytes memory) {
        return bytes.concat(
            '{"trait_type":"',
            label,
            '","display_type":"date","value":',
            bytes(time.toString()),
            "}"
        );
    }
}
